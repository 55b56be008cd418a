/**
 * A client's sessions: looked up before a handshake, saved after it, removed when it fails. What the store does never
 * costs more than a full handshake.
 *
 * One session per key, which serves until the server gives another, as in Postfix. RFC 8446 appendix C.4 has one of TLS
 * 1.3 serve once, so that nobody can tell which connections are the same client's: mail hosts say so in their EHLO
 * anyway, and servers such as Postfix give no new ticket on resumption.
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

export class ClientSessions {
  readonly #props: ClientSessionsProps;
  readonly #patience: number;
  /** It was said that the store fails; not again before it has worked. */
  #failing = false;
  #closed = false;
  /** What the store is being told. */
  readonly #underWay = new Set<Promise<unknown>>();

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
    const session = await this.#inTime(this.#try(() => this.#props.store.lookup(key)));
    if (session === null || session === undefined || session.length === 0) {
      return null;
    }
    this.#props.log?.(`reloaded session ${key} from smtp cache`);
    return session;
  }

  /** Keeps the session, in the place of the one before. */
  save(key: string, session: Uint8Array): void {
    if (this.#closed) {
      return;
    }
    this.#props.log?.(`save session ${key} to smtp cache`);
    this.#tell(() => this.#props.store.update(key, session));
  }

  /** A handshake has failed: the session may be why. */
  remove(key: string): void {
    if (this.#closed) {
      return;
    }
    this.#props.log?.(`remove session ${key} from client cache`);
    this.#tell(() => this.#props.store.delete(key));
  }

  #tell(call: () => Promise<void>): void {
    const told = this.#try(call);
    this.#underWay.add(told);
    void told.then(() => this.#underWay.delete(told));
  }

  /** Closes the store when it has been told everything; nothing is found or kept from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#inTime(Promise.all(this.#underWay));
    await this.#try(() => this.#props.store.close());
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
