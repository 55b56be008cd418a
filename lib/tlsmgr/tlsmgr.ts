/**
 * Postfix's tlsmgr(8) as an interface: who keeps what several TLS servers have in common.
 *
 * Without one a process makes its ticket keys itself (`ticket-keys.ts`), shared by all its listeners and workers. One that
 * serves many processes or hosts hands sealed keys around: it need not have the wrapping key, unless it makes them, with
 * {@link TicketKeyMint}.
 *
 * Whatever fails in here costs full handshakes, and nothing else.
 */
import type { SessionStore } from '../session-cache/store.js';
import type { SealedKey } from './sealed-key.js';

/** Caches of TLS sessions, by who uses them. */
export type CacheType = 'smtpd' | 'smtp';

export interface Tlsmgr {
  /** Ticket keys of many processes; null: each process makes its own. */
  readonly ticketKeys: TicketKeySource | null;
  /** The cache of this type, the same object at each call; null: there is none. */
  sessions(type: CacheType): SessionStore | null;
  /** Lets go of sockets and timers. Idempotent. */
  close(): Promise<void>;
}

/** What a tlsmgr of Postfix's answers besides. */
export interface TlsmgrRequests {
  /** Random bytes, 1 to 255. @throws TlsError (rejects) `INVALID_ARGUMENT` */
  seed(size: number): Promise<Uint8Array>;
  /** Whether there is a cache of this type, and for how long. @throws Error (rejects): nobody answers */
  policy(type: CacheType): Promise<CachePolicy>;
}

export interface CachePolicy {
  /** There is a database. */
  readonly cachable: boolean;
  /** Seconds that a session is kept: 0, or 120 to 8640000. */
  readonly timeout: number;
}

/** Where the ticket keys of many processes come from. */
export interface TicketKeySource {
  /** Names the keys within this process, `redis://cache.example.com/0 mx` for example: who uses it shares them. */
  readonly name: string;
  /** The same for all who share the keys. */
  readonly wrappingKey: WrappingKey;
  /**
   * Calls `onChange` with all keys that are not retired, as soon as they are known and whenever they change, until the
   * function that it returns is called. The key to be next is among them at least a quarter of a period before its first
   * use. While they cannot be had, nobody is called: the ones that were known serve for their time.
   *
   * Blobs that are no sealed keys, or sealed by another wrapping key, are passed over with a warning.
   */
  subscribe(onChange: (keys: readonly SealedKey[]) => void): () => void;
  /**
   * A key that a client's ticket names, and that no `onChange` has told of yet; null: there is none. It is asked for names
   * of the own cluster only, once at a time for each, at a bounded rate; who asks waits a second at most.
   *
   * @param name 16 bytes
   */
  find(name: Uint8Array): Promise<SealedKey | null>;
  /**
   * The time that the keys go by, in milliseconds since 1970, where the clocks of those who share them may differ; default:
   * that of this host. When it is set anew, `onChange` is called.
   */
  now?(): number;
}

/**
 * 32 secret bytes, which seal the ticket keys: themselves, a file that holds them and nothing else, or a function that
 * gets them.
 */
export type WrappingKey = Uint8Array | { readonly file: string } | (() => Promise<Uint8Array>);
