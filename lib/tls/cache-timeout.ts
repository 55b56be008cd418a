/** How long sessions are kept, by Postfix's rules; what tickets and their keys go by, too. */

/** Seconds; a shorter life is of no use (Postfix's `TLS_SESSION_LIFEMIN`). */
const shortestLife = 120;

/** Seconds: 100 days, Postfix's `MAX_SESSION_CACHE_TIMEOUT`. */
export const longestLife = 8_640_000;

/** What `*_tls_session_cache_timeout` comes to, in seconds: 0 for no cache, else 120 to 8640000. */
export function cacheTimeout(seconds: number): number {
  return seconds <= 0 ? 0 : Math.min(Math.max(Math.floor(seconds), shortestLife), longestLife);
}
