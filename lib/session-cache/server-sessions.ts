/**
 * The session cache of one service of smtpd: answers the question of a suspended handshake, and keeps new sessions.
 *
 * Clients without tickets come back with a session id (TLS 1.2), or with a ticket that is nothing but one (TLS 1.3, where
 * tickets are off). Entries are Postfix's: `HEX(session id)&s=SERVICE&l=LIBRARY VERSION`, so that neither another service
 * nor another version of OpenSSL is given a session that it cannot use. What a session is good for is OpenSSL's to say: it
 * compares the session-id context.
 */
import type { QuestionHandler } from '../dispatch.js';
import type { Logger } from '../log/logger.js';
import type { NativeConnection, NativeNotice } from '../native.js';
import type { SessionStore } from './store.js';

export interface ServerSessionsProps {
  /** Never rejects. */
  readonly store: SessionStore;
  /** Name of the service. */
  readonly service: string;
  /** Of OpenSSL at run time. */
  readonly libraryVersion: number;
  readonly logger: Logger;
  /** The loglevel wants to hear of each session. */
  readonly verbose: boolean;
}

/** Postfix's name of the cache, in the log. */
const cache = 'smtpd';

export class ServerSessions {
  readonly #store: SessionStore;
  readonly #suffix: string;
  readonly #logger: Logger;
  readonly #verbose: boolean;

  constructor(props: ServerSessionsProps) {
    this.#store = props.store;
    this.#suffix = `&s=${props.service}&l=${props.libraryVersion}`;
    this.#logger = props.logger;
    this.#verbose = props.verbose;
  }

  /** For `setQuestionHandler`. */
  readonly ask: QuestionHandler = (_kind, data, answer) => {
    this.#store.lookup(this.#key(data.toString('hex').toUpperCase())).then(answer);
  };

  /** Keeps the new session of a handshake that is complete, if it made one. Nobody waits for the store. */
  keep(connection: NativeConnection, namaddr: string): void {
    const id = connection.newSessionId();
    const session = id === null ? null : connection.takeSession();
    if (id === null || session === null) {
      return;
    }
    const key = this.#key(id.toString('hex').toUpperCase());
    this.#say(namaddr, `save session ${key} to ${cache} cache`);
    void this.#store.update(key, session);
  }

  /** What there was to say while the handshake went on. */
  log(notices: readonly NativeNotice[] | null, namaddr: string): void {
    for (const { kind, name } of notices ?? []) {
      if (kind === 'session-lookup') {
        this.#say(namaddr, `looking up session ${this.#key(name)} in ${cache} cache`);
      } else if (kind === 'session-reloaded') {
        this.#say(namaddr, `reloaded session ${this.#key(name)} from ${cache} cache`);
      }
    }
  }

  /** @param id upper-case hex */
  #key(id: string): string {
    return `${id}${this.#suffix}`;
  }

  #say(namaddr: string, text: string): void {
    if (this.#verbose) {
      this.#logger.info(`${namaddr}: ${text}`);
    }
  }
}
