/** The session cache of an Smtpd, over its life: opened with the first listener that has TLS, closed with the last session. */
import { addon } from '../addon.js';
import type { Logger } from '../log/logger.js';
import { parseLoglevel } from '../log/loglevel.js';
import { GuardedStore } from '../session-cache/guarded-store.js';
import { openSessionStore } from '../session-cache/open.js';
import { OpeningStore } from '../session-cache/opening-store.js';
import { ServerSessions } from '../session-cache/server-sessions.js';
import { namesRedis, parseRedisAddress } from '../session-cache/redis-address.js';
import { cacheTimeout, type SessionStore } from '../session-cache/store.js';
import type { Tlsmgr } from '../tlsmgr/tlsmgr.js';
import type { ResolvedSmtpdTls } from '../tls/options.js';

const parameter = 'smtpd_tls_session_cache_database';

/** In the place of `smtpd_tls_session_cache_database`; whose it is closes it. */
export interface SessionStoreOptions {
  readonly sessionStore?: SessionStore;
  readonly tlsmgr?: Tlsmgr;
}

export class SessionCaches {
  readonly #tls: ResolvedSmtpdTls;
  readonly #logger: Required<Logger>;
  readonly #given: SessionStore | null;
  #opening: Promise<SessionStore | null> | null = null;

  constructor(tls: ResolvedSmtpdTls, logger: Required<Logger>, options: SessionStoreOptions) {
    this.#tls = tls;
    this.#logger = logger;
    this.#given = options.sessionStore ?? options.tlsmgr?.sessions('smtpd') ?? null;
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
    const verbose = parseLoglevel(this.#tls.loglevel).flags.cache;
    return new ServerSessions({
      ...{ store, service, libraryVersion, verbose, logger: this.#logger },
    });
  }

  async close(): Promise<void> {
    const store = await this.#opening?.catch(() => null);
    this.#opening = null;
    if (this.#given === null) {
      await store?.close();
    }
  }

  async #open(): Promise<SessionStore | null> {
    const { sessionCacheDatabase, sessionCacheTimeout } = this.#tls;
    const logger = this.#logger;
    const timeout = sessionCacheTimeout / 1000;
    const warn = (text: string) => logger.warn(text);
    const given = cacheTimeout(timeout) === 0 ? null : this.#given;
    const opened = given ?? openSessionStore(sessionCacheDatabase, { parameter, timeout, warn });
    if (opened === null) {
      return null;
    }
    const shown = namesRedis(sessionCacheDatabase)
      ? parseRedisAddress(sessionCacheDatabase).shown // without its password
      : sessionCacheDatabase;
    const name = given === null ? shown : 'of the application';
    const guarded = new GuardedStore({ store: opened, name, logger });
    if (opened instanceof OpeningStore) {
      await guarded.ready(() => opened.ready());
    }
    return guarded;
  }
}
