/**
 * A client's sessions: looked up before a handshake, saved after it, removed when it fails. What the store does never
 * costs more than a full handshake.
 *
 * One session per key. Where Postfix resumes one as long as it lives, a session of TLS 1.3 serves once here (RFC 8446
 * appendix C.4): it is taken out, and the server's new ticket replaces it. Processes that share a store may take the
 * same one at the same moment; servers accept that.
 */
import type { SessionStore } from './store.js';

export interface ClientSessionsProps {
  readonly store: SessionStore;
  /** Gets the lines of verbosity `cache`; null: they are not wanted. */
  readonly log: ((text: string) => void) | null;
  /** Gets what is wrong with the store. */
  readonly warn: (text: string) => void;
  /** Milliseconds that a look-up may take; default 1000. */
  readonly patience?: number;
}

/** What stands before the session's bytes. */
const mark = { again: 0, once: 1 };

/** Versions whose sessions serve more than once. */
const older: readonly string[] = ['TLSv1.2', 'TLSv1.1', 'TLSv1'];

export class ClientSessions {
  readonly #props: ClientSessionsProps;
  readonly #patience: number;
  /** Keys that are being looked up: of two at a time one gets what serves once. */
  readonly #asked = new Set<string>();
  /** It was said that the store fails; not again before it has worked. */
  #failing = false;
  #closed = false;

  constructor(props: ClientSessionsProps) {
    this.#props = props;
    this.#patience = props.patience ?? 1000;
  }

  /** The session to offer; null: there is none. Does not reject. */
  async find(key: string): Promise<Uint8Array | null> {
    if (this.#closed) {
      return null;
    }
    this.#props.log?.(`looking for session ${key} in smtp cache`);
    if (this.#asked.has(key)) {
      return null;
    }
    this.#asked.add(key);
    try {
      const session = await this.#take(key);
      if (session !== null) {
        this.#props.log?.(`reloaded session ${key} from smtp cache`);
      }
      return session;
    } finally {
      this.#asked.delete(key);
    }
  }

  /** @param protocol of the connection it was made on, `TLSv1.3` */
  save(key: string, session: Uint8Array, protocol: string): void {
    if (this.#closed) {
      return;
    }
    this.#props.log?.(`save session ${key} to smtp cache`);
    const kept = Buffer.alloc(session.length + 1);
    kept[0] = older.includes(protocol) ? mark.again : mark.once;
    kept.set(session, 1);
    void this.#try(() => this.#props.store.update(key, kept));
  }

  /** A handshake has failed: the session may be why. */
  remove(key: string): void {
    if (this.#closed) {
      return;
    }
    this.#props.log?.(`remove session ${key} from client cache`);
    void this.#try(() => this.#props.store.delete(key));
  }

  /** Closes the store; nothing is found or kept from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#try(() => this.#props.store.close());
  }

  async #take(key: string): Promise<Uint8Array | null> {
    const kept = await this.#inTime(this.#try(() => this.#props.store.lookup(key)));
    if (kept === null || kept === undefined || kept.length < 2) {
      return null;
    }
    if (kept[0] !== mark.again) {
      void this.#try(() => this.#props.store.delete(key));
    }
    return kept[0] === mark.again || kept[0] === mark.once ? kept.subarray(1) : null;
  }

  /** Null when it takes too long: a handshake is waiting. */
  async #inTime<Value>(promise: Promise<Value>): Promise<Value | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => {
        this.#failed('no answer');
        resolve(null);
      }, this.#patience).unref();
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Null when it rejects. */
  async #try<Value>(call: () => Promise<Value>): Promise<Value | null> {
    try {
      const value = await call();
      this.#failing = false;
      return value;
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  #failed(reason: string): void {
    if (!this.#failing) {
      this.#failing = true;
      this.#props.warn(`smtp session cache: ${reason}`);
    }
  }
}
