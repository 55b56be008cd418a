/** The store that `*_tls_session_cache_database` names. */
import { TlsError } from '../errors.js';
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
 * @param database `memory:`; `btree:FILE` and the like are taken for it, with a warning
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
  const type = database.split(':', 1)[0] ?? '';
  if (filesOfPostfix.includes(type)) {
    warn(
      `${parameter}: ${database}: sessions are kept in the memory of this process, not in a file`,
    );
  } else if (type !== 'memory') {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `${parameter}: "${database}" is no session cache`,
      suggestion: 'write memory:',
    });
  }
  return new MemorySessionStore({ timeout });
}
