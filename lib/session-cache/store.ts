/**
 * Where TLS sessions are kept between connections; the interface, and the store of one process.
 *
 * A session is secret: whoever has it can speak as its owner. What its bytes say is nobody's business here.
 */
import { TlsError } from '../errors.js';
import { cacheTimeout } from '../tls/cache-timeout.js';
import { type Clock, systemClock } from '../tls/chain-keeper.js';

export { cacheTimeout, longestLife } from '../tls/cache-timeout.js';

/**
 * A store of TLS sessions; blobs are never interpreted. Ids are printable ASCII. All methods may reject; a caller
 * treats that as "not there".
 */
export interface SessionStore {
  /** Null: there is none, or its time is over. */
  lookup(id: string): Promise<Uint8Array | null>;
  /** Replaces: one session per id. */
  update(id: string, session: Uint8Array): Promise<void>;
  delete(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Longer sessions are not kept: with a leaf certificate and a ticket that carries another, both ML-DSA, it is 12 KiB. */
export const longestSession = 16 * 1024;

/** What a timer can wait for. */
const longestWait = 0x7fffffff;

export interface MemorySessionStoreProps {
  /** Seconds that a session is kept: 0 keeps nothing, else 120 to 8640000, where other values end up. */
  readonly timeout: number;
  /** Sessions at most; the one unused for longest makes room. Default 10,000, of 16 KiB at most each. */
  readonly limit?: number;
  /** @internal */
  readonly clock?: Clock;
}

interface Entry {
  readonly session: Uint8Array;
  /** Milliseconds on the clock. */
  readonly storedAt: number;
}

/** Sessions in this process. A look-up does not lengthen a session's life. */
export class MemorySessionStore implements SessionStore {
  readonly #timeout: number;
  readonly #limit: number;
  readonly #clock: Clock;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<string, Entry>();
  /** Ends the scans for what has expired; null while there is nothing to scan. */
  #endScans: (() => void) | null = null;
  #closed = false;

  constructor(props: MemorySessionStoreProps) {
    this.#timeout = cacheTimeout(props.timeout) * 1000;
    this.#limit = props.limit ?? 10_000;
    this.#clock = props.clock ?? systemClock;
  }

  /** Sessions kept, the expired ones that no scan has met among them. */
  get size(): number {
    return this.#entries.size;
  }

  async lookup(id: string): Promise<Uint8Array | null> {
    this.#requireOpen();
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      return null;
    }
    this.#entries.delete(id);
    if (this.#dead(entry)) {
      return null;
    }
    this.#entries.set(id, entry);
    return entry.session;
  }

  async update(id: string, session: Uint8Array): Promise<void> {
    this.#requireOpen();
    this.#entries.delete(id);
    if (this.#timeout === 0 || session.length > longestSession) {
      return;
    }
    this.#entries.set(id, { session: Uint8Array.from(session), storedAt: this.#clock.now() });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#limit && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
    this.#endScans ??= this.#clock.every(Math.min(this.#timeout, longestWait), () => this.#scan());
  }

  async delete(id: string): Promise<void> {
    this.#requireOpen();
    this.#entries.delete(id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#entries.clear();
    this.#scan();
  }

  #dead({ storedAt }: Entry): boolean {
    return storedAt + this.#timeout < this.#clock.now();
  }

  /** The map is in order of use, not of age: all of it is looked at, which the limit keeps short. */
  #scan(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#dead(entry)) {
        this.#entries.delete(id);
      }
    }
    if (this.#entries.size === 0) {
      this.#endScans?.();
      this.#endScans = null;
    }
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'the session store is closed' });
    }
  }
}
