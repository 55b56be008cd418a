/** Sessions in a Valkey or Redis, for many hosts: sealed, under names that tell nothing, gone when their time is over. */
import { TlsError } from '../errors.js';
import { parseRedisAddress } from './redis-address.js';
import { RedisLink } from './redis-link.js';
import { Sealer } from './sealer.js';
import { cacheTimeout, longestSession, type SessionStore } from './store.js';

export interface RedisSessionStoreProps {
  readonly link: RedisLink;
  readonly sealer: Sealer;
  /** Of the names of keys. */
  readonly prefix: string;
  /** Seconds that a session is kept. */
  readonly timeout: number;
}

export class RedisSessionStore implements SessionStore {
  readonly #props: RedisSessionStoreProps;

  constructor(props: RedisSessionStoreProps) {
    this.#props = props;
  }

  /**
   * One with a connection of its own, as `*_tls_session_cache_database` names it.
   *
   * @throws TlsError (rejects) `INVALID_PARAMETER`, `WRAPPING_KEY`
   */
  static async open(text: string, timeout: number): Promise<RedisSessionStore> {
    const address = parseRedisAddress(text);
    if (address.wrappingKeyFile === null) {
      throw new TlsError({
        code: 'INVALID_PARAMETER',
        message: `${address.shown}: sessions are kept sealed, and there is no key for that`,
        suggestion: 'add ?wrapping-key=FILE, made with: (umask 077; openssl rand 32 > FILE)',
      });
    }
    const sealer = await Sealer.fromFile(address.wrappingKeyFile);
    const nothing = (): void => undefined; // who asks for a session hears of it
    const link = new RedisLink({ address, lost: nothing, found: nothing });
    return new RedisSessionStore({ link, sealer, prefix: address.prefix, timeout });
  }

  async lookup(id: string): Promise<Uint8Array | null> {
    const { link, sealer } = this.#props;
    const sealed = await link.ask((redis) => redis.getBuffer(this.#name(id)));
    return sealed === null ? null : sealer.open(id, sealed);
  }

  async update(id: string, session: Uint8Array): Promise<void> {
    const { link, sealer, timeout } = this.#props;
    if (session.length <= longestSession) {
      const sealed = sealer.seal(id, session);
      const life = cacheTimeout(timeout) * 1000;
      await link.ask((redis) => redis.set(this.#name(id), sealed, 'PX', life));
    }
  }

  async delete(id: string): Promise<void> {
    await this.#props.link.ask((redis) => redis.del(this.#name(id)));
  }

  async close(): Promise<void> {
    this.#props.link.close();
  }

  #name(id: string): string {
    return `${this.#props.prefix}:session:${this.#props.sealer.name(id)}`;
  }
}
