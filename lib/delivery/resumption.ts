/**
 * What a connection has to do with the session cache: the look-up begins before the session is needed, the first
 * ticket of the server is kept, a failed handshake takes the session with it.
 */
import type { NativeConnection } from '../native.js';
import type { ClientSessions } from '../session-cache/client-sessions.js';

export class Resumption {
  readonly #sessions: ClientSessions;
  readonly #key: string;
  #found: Uint8Array | null = null;
  #settled = false;
  #waiting: ((session: Uint8Array | null) => void) | null = null;
  #kept = false;

  /** Begins to look. */
  constructor(sessions: ClientSessions, key: string) {
    this.#sessions = sessions;
    this.#key = key;
    void sessions.find(key).then((session) => this.#settle(session));
  }

  /** The look-up is done. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Hands the session over, or null: at once when {@link settled}. */
  whenFound(call: (session: Uint8Array | null) => void): void {
    if (this.#settled) {
      call(this.#found);
    } else {
      this.#waiting = call;
    }
  }

  /**
   * Keeps the first session that the server has given. In TLS 1.3 that comes when the server likes: with its first
   * data as a rule, else later.
   *
   * @param protocol of the connection
   */
  keep(connection: NativeConnection, protocol: string): void {
    const session = this.#kept ? null : connection.takeSession();
    if (session !== null) {
      this.#kept = true;
      this.#sessions.save(this.#key, session, protocol);
    }
  }

  /** The handshake has failed. */
  failed(): void {
    this.#sessions.remove(this.#key);
  }

  #settle(session: Uint8Array | null): void {
    this.#settled = true;
    this.#found = session;
    this.#waiting?.(session);
    this.#waiting = null;
  }
}
