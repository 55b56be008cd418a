/**
 * What a connection has to do with the session cache: the look-up begins before the session is needed, the first
 * ticket of the server is kept, a failed handshake takes the session with it.
 */
import type { NativeConnection, NativeContext, StartTlsProps } from '../native.js';
import type { ClientSessions } from '../session-cache/client-sessions.js';
import type { Conversation } from './conversation.js';

export class Resumption {
  readonly #sessions: ClientSessions;
  readonly #key: string;
  #found: Uint8Array | null = null;
  #settled = false;
  #waiting: (() => void) | null = null;
  #kept = false;

  /** Begins to look. */
  constructor(sessions: ClientSessions, key: string) {
    this.#sessions = sessions;
    this.#key = key;
    void sessions.find(key).then((session) => this.#settle(session));
  }

  /** Begins the handshake with the session that was found: now, or when that is known. */
  startTls(conversation: Conversation, context: NativeContext, props: StartTlsProps): void {
    if (this.#settled) {
      conversation.startTls(context, { ...props, session: this.#found });
      return;
    }
    conversation.awaitTls();
    this.#waiting = () => {
      if (conversation.going) {
        conversation.startTls(context, { ...props, session: this.#found });
      }
    };
  }

  /**
   * Keeps the first session that the server has given. In TLS 1.3 that comes when the server likes: with its first
   * data as a rule, else later.
   */
  keep(connection: NativeConnection): void {
    const session = this.#kept ? null : connection.takeSession();
    if (session !== null) {
      this.#kept = true;
      this.#sessions.save(this.#key, session);
    }
  }

  /** The handshake has failed. */
  failed(): void {
    this.#sessions.remove(this.#key);
  }

  #settle(session: Uint8Array | null): void {
    this.#settled = true;
    this.#found = session;
    this.#waiting?.();
    this.#waiting = null;
  }
}
