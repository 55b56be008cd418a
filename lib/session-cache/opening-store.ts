/**
 * A store that is opened when it is first needed, and once more after that has failed: what a name such as `lmdb:FILE`
 * stands for, before anybody has seen whether there is such a thing.
 */
import { TlsError } from '../errors.js';
import type { SessionStore } from './store.js';

export class OpeningStore implements SessionStore {
  readonly #make: () => Promise<SessionStore>;
  #opening: Promise<SessionStore> | null = null;
  #closed = false;

  constructor(make: () => Promise<SessionStore>) {
    this.#make = make;
  }

  /** Opens it now, such as before privileges are given up. @throws what opening it throws (rejects) */
  async ready(): Promise<void> {
    await this.#open();
  }

  async lookup(id: string): Promise<Uint8Array | null> {
    return (await this.#open()).lookup(id);
  }

  async update(id: string, session: Uint8Array): Promise<void> {
    await (await this.#open()).update(id, session);
  }

  async delete(id: string): Promise<void> {
    await (await this.#open()).delete(id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const store = await this.#opening?.catch(() => null);
    await store?.close();
  }

  async #open(): Promise<SessionStore> {
    if (this.#closed) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'the session store is closed' });
    }
    this.#opening ??= this.#make();
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }
}
