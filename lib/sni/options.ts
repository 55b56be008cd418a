/** Options about server names that no parameter of Postfix has: a function in the place of a table, and the cache. */
import { TlsError } from '../errors.js';
import type { NativeChains } from '../native.js';

/**
 * Gives the chains of a server name, in lower case: PEM of private key, certificate and issuers; what
 * {@link parseChains} made; or undefined, which leaves the client with the default chains. May be asynchronous. When it
 * fails, the handshake is aborted.
 */
export type SniFunction = (name: string) => SniAnswer | Promise<SniAnswer>;

export type SniAnswer = string | Uint8Array | NativeChains | undefined;

/** Fields of `tls` of an `Smtpd`, besides the parameters. */
export interface SniOptions {
  /** Asked for server names that are in none of `serverSniMaps`. */
  readonly sni?: SniFunction;
  /** Server names whose parsed chains are kept in memory, and as many that have none; default 4096. */
  readonly sniCacheLimit?: number;
  /** Milliseconds that an answer of `sni` is kept; 0 for good; default five minutes. Tables are read again on reload only. */
  readonly sniCacheTime?: number;
}

export interface ResolvedSni {
  readonly lookup: SniFunction | null;
  readonly cacheLimit: number;
  readonly cacheTime: number;
}

/** The fields, as paths of options. */
export const sniOptionNames: readonly string[] = [
  'tls.sni',
  'tls.sniCacheLimit',
  'tls.sniCacheTime',
];

/** Checks the options and fills in the defaults. @throws TlsError `INVALID_PARAMETER` */
export function resolveSni(options: SniOptions = {}): ResolvedSni {
  const lookup: unknown = options.sni;
  if (lookup !== undefined && typeof lookup !== 'function') {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: 'tls.sni is not a function',
      suggestion: 'give (name) => PEM, or name tables in tls.serverSniMaps',
    });
  }
  return {
    lookup: options.sni ?? null,
    cacheLimit: wholeNumber('tls.sniCacheLimit', options.sniCacheLimit ?? 4096, 1 << 24),
    cacheTime: wholeNumber('tls.sniCacheTime', options.sniCacheTime ?? 300_000, 8_640_000_000),
  };
}

function wholeNumber(name: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) {
    return value;
  }
  throw new TlsError({
    code: 'INVALID_PARAMETER',
    message: `${name} is not a whole number from 0 to ${most}`,
  });
}
