/** The session caches of a tlsmgr, by who uses them. */
import { TlsError } from '../errors.js';
import type { Logger } from '../log/logger.js';
import { openSessionStore } from '../session-cache/open.js';
import { cacheTimeout } from '../session-cache/store.js';
import type { ServiceCache } from './requests.js';
import type { CacheType } from './tlsmgr.js';

export interface CacheProps {
  /** `smtpd_tls_session_cache_database` and the like. */
  readonly database: string;
  /** Seconds: `smtpd_tls_session_cache_timeout`. */
  readonly timeout: number;
}

export interface CachesProps {
  readonly smtpd: CacheProps;
  readonly smtp: CacheProps;
  readonly logger: Logger;
}

/** @throws TlsError `INVALID_PARAMETER` */
export function openCaches(props: CachesProps): Readonly<Record<CacheType, ServiceCache>> {
  return { smtpd: openCache('smtpd', props), smtp: openCache('smtp', props) };
}

function openCache(type: CacheType, props: CachesProps): ServiceCache {
  const { database, timeout } = props[type];
  const warn = (text: string): void => props.logger.warn(text);
  const parameter = `${type}_tls_session_cache_database`;
  const store = openSessionStore(database, { parameter, timeout, warn });
  return { store, timeout: cacheTimeout(timeout) };
}

/** Sessions of servers among those of clients: Postfix does not begin, either. @throws TlsError `INVALID_PARAMETER` */
export function refuseSharedDatabase({ smtpd, smtp }: CachesProps): void {
  const shared = smtpd.database === smtp.database && smtpd.database.includes(':');
  if (shared && !smtpd.database.endsWith(':')) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `${smtpd.database} is the session cache of smtpd and of smtp`,
      suggestion: 'name two',
    });
  }
}
