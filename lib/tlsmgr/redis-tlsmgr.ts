/** A {@link Tlsmgr} of many hosts: sessions and ticket keys in a Valkey or Redis, sealed. */
import { engineLogger, type Logger } from '../log/logger.js';
import { parseRedisAddress, type RedisAddress } from '../session-cache/redis-address.js';
import { RedisLink } from '../session-cache/redis-link.js';
import { RedisSessionStore } from '../session-cache/redis-store.js';
import { Sealer } from '../session-cache/sealer.js';
import type { SessionStore } from '../session-cache/store.js';
import { TlsError } from '../errors.js';
import { RedisKeys } from './redis-keys.js';
import { type TicketClock, ticketKeyPeriod } from './ticket-keys.js';
import type { CacheType, TicketKeySource, Tlsmgr } from './tlsmgr.js';

export interface RedisTlsmgrProps {
  /** `redis://HOST?wrapping-key=FILE` and the like; docs/tlsmgr.md tells of more. */
  readonly address: string;
  /** Milliseconds: `smtpd_tls_session_cache_timeout`, the same on all hosts; default an hour. */
  readonly sessionCacheTimeout?: number;
  /** Default: standard error. */
  readonly logger?: Logger;
  /** For tests. */
  readonly clock?: TicketClock;
  /** Milliseconds that a ticket key is used; default: half of `sessionCacheTimeout`. For tests. */
  readonly period?: number;
}

export class RedisTlsmgr implements Tlsmgr {
  readonly ticketKeys: TicketKeySource;
  readonly #link: RedisLink;
  readonly #keys: RedisKeys;
  readonly #stores: Readonly<Record<CacheType, SessionStore>>;

  private constructor(
    props: RedisTlsmgrProps,
    address: RedisAddress,
    file: string,
    sealer: Sealer,
  ) {
    const logger = engineLogger(props.logger, 'tlsmgr');
    const { shown, prefix } = address;
    const { sessionCacheTimeout = 3_600_000 } = props;
    const lost = (reason: string): void =>
      logger.warn(`tlsmgr ${shown}: ${reason}; full TLS handshakes meanwhile`);
    this.#link = new RedisLink({
      ...{ address, lost },
      found: () => logger.info(`tlsmgr ${shown}: works again`),
    });
    this.#keys = new RedisKeys({
      ...{ link: this.#link, prefix, wrappingKey: { file } },
      period: props.period ?? ticketKeyPeriod(sessionCacheTimeout),
      warn: (text) => logger.warn(text),
      ...(props.clock === undefined ? {} : { clock: props.clock }),
    });
    const storeOf = (type: CacheType): SessionStore =>
      silent(
        new RedisSessionStore({
          ...{ link: this.#link, sealer, prefix: `${prefix}:${type}` },
          timeout: sessionCacheTimeout / 1000,
        }),
      );
    this.#stores = { smtpd: storeOf('smtpd'), smtp: storeOf('smtp') };
    this.ticketKeys = {
      name: `${shown} ${prefix}`,
      wrappingKey: { file },
      subscribe: (onChange) => this.#keys.subscribe(onChange),
      find: (name) => this.#keys.find(name),
      now: () => this.#keys.now(),
    };
  }

  /** A server that is not there is a warning, and looked for again. @throws TlsError (rejects) `INVALID_PARAMETER`, `WRAPPING_KEY` */
  static async open(props: RedisTlsmgrProps): Promise<RedisTlsmgr> {
    const address = parseRedisAddress(props.address);
    const { wrappingKeyFile } = address;
    if (wrappingKeyFile === null) {
      throw new TlsError({
        code: 'INVALID_PARAMETER',
        message: `${address.shown}: nothing is kept but what is sealed, and there is no key for that`,
        suggestion: 'add ?wrapping-key=FILE, made with: (umask 077; openssl rand 32 > FILE)',
      });
    }
    const sealer = await Sealer.fromFile(wrappingKeyFile);
    return new RedisTlsmgr(props, address, wrappingKeyFile, sealer);
  }

  sessions(type: CacheType): SessionStore {
    return this.#stores[type];
  }

  async close(): Promise<void> {
    this.#keys.close();
    this.#link.close();
  }
}

/** The link tells of a server that is lost; who asks for a session gets none. */
function silent(store: RedisSessionStore): SessionStore {
  return {
    lookup: (id) => store.lookup(id).catch(() => null),
    update: (id, session) => store.update(id, session).catch(() => undefined),
    delete: (id) => store.delete(id).catch(() => undefined),
    close: async () => undefined, // the connection is the Tlsmgr's
  };
}
