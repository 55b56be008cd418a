/**
 * Connections that have carried a message and wait for another one, of all deliveries of one Smtp.
 *
 * A connection is found again by its key alone: what must not be mixed is in the key. It leaves when it has waited too
 * long, is too old, has been used too often, breaks, or when its place is needed.
 */
import { type Clock, systemClock } from '../tls/chain-keeper.js';

/** What the pool asks of a connection. */
export interface Poolable {
  /** Stands, and can carry a message. */
  readonly usable: boolean;
  /** Messages that it has carried. */
  readonly uses: number;
  /** When it was begun, milliseconds on the clock. */
  readonly begun: number;
  /** Ends it politely. */
  quit(): void;
}

export interface ConnectionPoolProps {
  /** `smtp_connection_cache_time_limit`: milliseconds that a connection waits. */
  readonly idleLimit: number;
  /** `smtp_connection_reuse_time_limit`: milliseconds from its begin to its last use. */
  readonly ageLimit: number;
  /** `smtp_connection_reuse_count_limit`: how often it may be used again; 0: no limit. */
  readonly reuseLimit: number;
  /** For tests. */
  readonly clock?: Clock;
}

interface Entry<Connection> {
  readonly key: string;
  /** Whose it is; null: everybody's. */
  readonly batch: object | null;
  readonly connection: Connection;
  readonly endWait: () => void;
}

export class ConnectionPool<Connection extends Poolable> {
  readonly #props: ConnectionPoolProps;
  readonly #clock: Clock;
  /** The one that has waited longest first. */
  readonly #entries = new Set<Entry<Connection>>();
  readonly #byKey = new Map<string, Entry<Connection>[]>();

  constructor(props: ConnectionPoolProps) {
    this.#props = props;
    this.#clock = props.clock ?? systemClock;
  }

  /** Connections that wait. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * A connection with this key, of the batch or everybody's: the one that was used last; null: none. Those that have
   * broken while they waited are dropped on the way.
   */
  take(key: string, batch: object | null): Connection | null {
    const entries = this.#byKey.get(key) ?? [];
    for (const entry of entries.toReversed()) {
      if (entry.batch === null || entry.batch === batch) {
        this.#remove(entry);
        if (entry.connection.usable && this.#ageLeft(entry.connection) > 0) {
          return entry.connection;
        }
        entry.connection.quit();
      }
    }
    return null;
  }

  /**
   * Keeps a connection, or ends it where it has served long enough.
   *
   * @param batch whose it is; null: everybody's
   */
  give(key: string, batch: object | null, connection: Connection): void {
    const { idleLimit, reuseLimit } = this.#props;
    const wait = Math.min(idleLimit, this.#ageLeft(connection));
    const usedUp = reuseLimit > 0 && connection.uses > reuseLimit;
    if (!connection.usable || usedUp || wait <= 0) {
      connection.quit();
      return;
    }
    const endWait = this.#clock.every(wait, () => this.#end(entry));
    const entry = { key, batch, connection, endWait };
    this.#entries.add(entry);
    const others = this.#byKey.get(key);
    if (others === undefined) {
      this.#byKey.set(key, [entry]);
    } else {
      others.push(entry);
    }
  }

  /** Ends those that have waited longest until no more than `limit` are left. */
  trim(limit: number): void {
    for (const entry of this.#entries) {
      if (this.#entries.size <= limit) {
        return;
      }
      this.#end(entry);
    }
  }

  /** Ends what is left of a batch. */
  endBatch(batch: object): void {
    for (const entry of this.#entries) {
      if (entry.batch === batch) {
        this.#end(entry);
      }
    }
  }

  #ageLeft({ begun }: Connection): number {
    return begun + this.#props.ageLimit - this.#clock.now();
  }

  #end(entry: Entry<Connection>): void {
    this.#remove(entry);
    entry.connection.quit();
  }

  #remove(entry: Entry<Connection>): void {
    entry.endWait();
    this.#entries.delete(entry);
    const left = (this.#byKey.get(entry.key) ?? []).filter((other) => other !== entry);
    if (left.length === 0) {
      this.#byKey.delete(entry.key);
    } else {
      this.#byKey.set(entry.key, left);
    }
  }
}
