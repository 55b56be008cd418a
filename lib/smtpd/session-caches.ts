/** The session cache of an Smtpd, over its life: opened with the first listener that has TLS, closed with the last session. */
import { addon } from '../addon.js';
import type { Logger } from '../log/logger.js';
import { parseLoglevel } from '../log/loglevel.js';
import { GuardedStore } from '../session-cache/guarded-store.js';
import { openSessionStore } from '../session-cache/open.js';
import { OpeningStore } from '../session-cache/opening-store.js';
import { ServerSessions } from '../session-cache/server-sessions.js';
import { cacheTimeout, type SessionStore } from '../session-cache/store.js';
import type { ResolvedSmtpdTls } from '../tls/options.js';

const parameter = 'smtpd_tls_session_cache_database';

export interface SessionCachesProps {
  readonly tls: ResolvedSmtpdTls;
  readonly logger: Required<Logger>;
  /** In the place of `smtpd_tls_session_cache_database`; whose it is closes it. */
  readonly store: SessionStore | undefined;
}

export class SessionCaches {
  readonly #props: SessionCachesProps;
  #opening: Promise<SessionStore | null> | null = null;

  constructor(props: SessionCachesProps) {
    this.#props = props;
  }

  /**
   * The sessions of one service; null where there is no cache. A file that cannot be opened is a warning: mail goes on
   * without it, and it is tried again.
   *
   * @throws TlsError (rejects) `INVALID_PARAMETER`
   */
  async sessionsOf(service: string): Promise<ServerSessions | null> {
    this.#opening ??= this.#open();
    const store = await this.#opening;
    if (store === null) {
      return null;
    }
    const libraryVersion = addon.libraryInfo().runtimeNumber;
    const { logger, tls } = this.#props;
    const verbose = parseLoglevel(tls.loglevel).flags.cache;
    return new ServerSessions({ store, service, libraryVersion, logger, verbose });
  }

  async close(): Promise<void> {
    const store = await this.#opening?.catch(() => null);
    this.#opening = null;
    if (this.#props.store === undefined) {
      await store?.close();
    }
  }

  async #open(): Promise<SessionStore | null> {
    const { tls, logger, store } = this.#props;
    const timeout = tls.sessionCacheTimeout / 1000;
    const warn = (text: string) => logger.warn(text);
    const given = cacheTimeout(timeout) === 0 ? undefined : store;
    const opened =
      given ?? openSessionStore(tls.sessionCacheDatabase, { parameter, timeout, warn });
    if (opened === null) {
      return null;
    }
    const name = given === undefined ? tls.sessionCacheDatabase : 'of the application';
    const guarded = new GuardedStore({ store: opened, name, logger });
    if (opened instanceof OpeningStore) {
      await guarded.ready(() => opened.ready());
    }
    return guarded;
  }
}
