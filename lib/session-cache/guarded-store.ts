/**
 * A store of sessions that cannot do harm: it answers in time or not at all, and never rejects.
 *
 * A store may be in another process or on another host. While it is gone, each handshake is a full one, which the log
 * says once: when it begins, and when it is over.
 */
import type { Logger } from '../log/logger.js';
import type { SessionStore } from './store.js';

export interface GuardedStoreProps {
  readonly store: SessionStore;
  /** As the operator knows it, such as `lmdb:/var/lib/mxtls/smtpd_scache`. */
  readonly name: string;
  readonly logger: Logger;
  /** Milliseconds that a handshake waits; default 1000. */
  readonly patience?: number;
  /** Requests that may be under way; more are answered at once, as if nothing were there. Default 1000. */
  readonly limit?: number;
  /** Milliseconds after a failure in which nobody is asked; default 500. */
  readonly pause?: number;
}

export class GuardedStore implements SessionStore {
  readonly #store: SessionStore;
  readonly #name: string;
  readonly #logger: Logger;
  readonly #patience: number;
  readonly #limit: number;
  readonly #pause: number;
  #underWay = 0;
  /** The store does not answer; the log has said so. */
  #failing = false;
  /** On the monotonic clock: not before. */
  #askAgain = 0;

  constructor(props: GuardedStoreProps) {
    this.#store = props.store;
    this.#name = props.name;
    this.#logger = props.logger;
    this.#patience = props.patience ?? 1000;
    this.#limit = props.limit ?? 1000;
    this.#pause = props.pause ?? 500;
  }

  async lookup(id: string): Promise<Uint8Array | null> {
    return (await this.#guard(() => this.#store.lookup(id))) ?? null;
  }

  async update(id: string, session: Uint8Array): Promise<void> {
    await this.#guard(() => this.#store.update(id, session));
  }

  async delete(id: string): Promise<void> {
    await this.#guard(() => this.#store.delete(id));
  }

  /** Waits for a store to open. */
  async ready(open: () => Promise<void>): Promise<void> {
    await this.#guard(open);
  }

  async close(): Promise<void> {
    try {
      await this.#store.close();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #guard<T>(request: () => Promise<T>): Promise<T | null> {
    if (this.#underWay >= this.#limit || performance.now() < this.#askAgain) {
      return null;
    }
    this.#underWay++;
    const done = (async () => request())().finally(() => this.#underWay--);
    try {
      const result = await inTime(done, this.#patience);
      this.#succeeded();
      return result;
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  #succeeded(): void {
    if (this.#failing) {
      this.#failing = false;
      this.#logger.info(`session cache ${this.#name}: works again`);
    }
  }

  #failed(error: unknown): void {
    this.#askAgain = performance.now() + this.#pause;
    if (!this.#failing) {
      this.#failing = true;
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.warn(
        `session cache ${this.#name}: ${reason}; TLS sessions are not resumed meanwhile`,
      );
    }
  }
}

function inTime<T>(work: Promise<T>, patience: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${patience} ms`)), patience);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
