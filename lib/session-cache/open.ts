/** The store that `*_tls_session_cache_database` names. */
import { TlsError } from '../errors.js';
import { LmdbSessionStore } from './lmdb-store.js';
import { OpeningStore } from './opening-store.js';
import { namesRedis, parseRedisAddress } from './redis-address.js';
import { RedisSessionStore } from './redis-store.js';
import { cacheTimeout, MemorySessionStore, type SessionStore } from './store.js';

/** Files of Postfix's, which empties them at each start: memory loses nothing that they would keep. */
const filesOfPostfix = ['btree', 'dbm', 'hash', 'sdbm'];

export interface OpenSessionStoreProps {
  /** Name of the parameter, for texts. */
  readonly parameter: string;
  /** Seconds, as {@link cacheTimeout} takes them. */
  readonly timeout: number;
  readonly warn: (text: string) => void;
}

/**
 * Nothing is opened before it is needed: a file that cannot be is one warning of who asks for a session.
 *
 * @param database `memory:`, `lmdb:FILE`, `redis://…`; `btree:FILE` and the like are taken for the former, with a warning
 * @returns null where there is to be no cache
 * @throws TlsError `INVALID_PARAMETER` for another type
 */
export function openSessionStore(
  database: string,
  { parameter, timeout, warn }: OpenSessionStoreProps,
): SessionStore | null {
  if (database === '' || cacheTimeout(timeout) === 0) {
    return null;
  }
  const colon = database.indexOf(':');
  const type = colon < 0 ? database : database.slice(0, colon);
  const name = colon < 0 ? '' : database.slice(colon + 1);
  if (type === 'lmdb' && name !== '') {
    return new OpeningStore(() => LmdbSessionStore.open({ file: name, timeout }));
  }
  if (namesRedis(database)) {
    parseRedisAddress(database);
    return new OpeningStore(() => RedisSessionStore.open(database, timeout));
  }
  if (filesOfPostfix.includes(type)) {
    const advice = `write lmdb:${name} for a file, or memory:`;
    warn(`${parameter}: ${database}: sessions are kept in memory, not in a file; ${advice}`);
  } else if (type !== 'memory') {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `${parameter}: "${database}" is no session cache`,
      suggestion: 'write memory:, lmdb: with the name of a file, or redis: with an address',
    });
  }
  return new MemorySessionStore({ timeout });
}
