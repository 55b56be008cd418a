/**
 * Security levels: one ordered table, and predicates with names.
 *
 * The order is Postfix's and is used in this file only; everybody else asks a predicate, so that a level can be
 * inserted without a hunt for comparisons. `halfdane` is an outcome (unsigned MX, signed TLSA), never a setting.
 */
import { TlsError } from '../errors.js';

/** What a client demands of a session, weakest first. */
export type TlsLevel =
  | 'none'
  | 'may'
  | 'encrypt'
  | 'fingerprint'
  | 'halfdane'
  | 'dane'
  | 'dane-only'
  | 'verify'
  | 'secure';

/** What may be configured: everything but the outcome `halfdane`. */
export type ClientSecurityLevel = Exclude<TlsLevel, 'halfdane'>;

/** What a server demands of its clients. */
export type ServerSecurityLevel = 'none' | 'may' | 'encrypt';

const clientLevels: readonly TlsLevel[] = [
  'none',
  'may',
  'encrypt',
  'fingerprint',
  'halfdane',
  'dane',
  'dane-only',
  'verify',
  'secure',
];

const serverLevels: readonly ServerSecurityLevel[] = ['none', 'may', 'encrypt'];

/** Position in the table; enters cache keys, not decisions. */
export function levelNumber(level: TlsLevel): number {
  return clientLevels.indexOf(level);
}

/** TLS is used when the server offers it. */
export function usesTls(level: TlsLevel): boolean {
  return levelNumber(level) > levelNumber('none');
}

/** No plaintext. */
export function mustEncrypt(level: TlsLevel): boolean {
  return levelNumber(level) > levelNumber('may');
}

/** The server's credential has to match something, else no mail. */
export function mustMatch(level: TlsLevel): boolean {
  return levelNumber(level) > levelNumber('encrypt');
}

/** A certificate chain to a trusted CA and a name are needed. */
export function isPkix(level: TlsLevel): boolean {
  return level === 'verify' || level === 'secure';
}

/** TLSA records decide. */
export function isDaneBased(level: TlsLevel): boolean {
  return level === 'halfdane' || level === 'dane' || level === 'dane-only';
}

/** Gives way when the destination cannot do better. */
export function isOpportunistic(level: TlsLevel): boolean {
  return level === 'may' || level === 'dane';
}

/** Matches, and is called Trusted at most. */
export function neverVerified(level: TlsLevel): boolean {
  return level === 'halfdane';
}

/** A configurable client level by name, any case; null for anything else. */
export function clientLevel(name: string): ClientSecurityLevel | null {
  const level = clientLevels.find((known) => known === name.toLowerCase());
  return level === undefined || level === 'halfdane' ? null : level;
}

/**
 * A server level by name, any case. The client levels `fingerprint`, `verify` and `secure` mean `encrypt` here, with a
 * warning; null for anything else.
 */
export function serverLevel(
  name: string,
): { readonly level: ServerSecurityLevel; readonly warning: string | null } | null {
  const folded = name.toLowerCase();
  const level = serverLevels.find((known) => known === folded);
  if (level !== undefined) {
    return { level, warning: null };
  }
  if (folded === 'fingerprint' || folded === 'verify' || folded === 'secure') {
    return { level: 'encrypt', warning: `unsupported TLS level "${name}", using "encrypt"` };
  }
  return null;
}

/** What the server's settings come to; see {@link serverTlsMode}. */
export interface ServerTlsMode {
  /** STARTTLS is offered, or TLS comes first. */
  readonly use: boolean;
  /** No mail without TLS. */
  readonly enforce: boolean;
  /** TLS from the first byte. */
  readonly wrappermode: boolean;
  readonly askCert: boolean;
  readonly requireCert: boolean;
}

/** Settings that {@link serverTlsMode} reads. */
export interface ServerTlsSettings {
  readonly securityLevel?: ServerSecurityLevel;
  readonly wrappermode?: boolean;
  readonly askCcert?: boolean;
  readonly reqCcert?: boolean;
}

/** Postfix's rules: wrappermode is mandatory TLS; a client certificate can be required under mandatory TLS only. */
export function serverTlsMode(settings: ServerTlsSettings): ServerTlsMode {
  const wrappermode = settings.wrappermode ?? false;
  const level = settings.securityLevel ?? 'none';
  const enforce = wrappermode || level === 'encrypt';
  const requireCert = enforce && (settings.reqCcert ?? false);
  return {
    use: enforce || level === 'may',
    enforce,
    wrappermode,
    askCert: requireCert || (settings.askCcert ?? false),
    requireCert,
  };
}

/** @throws TlsError `INVALID_PARAMETER` */
export function checkClientLevel(level: string): ClientSecurityLevel {
  const known = clientLevel(level);
  if (known === null) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `smtp_tls_security_level: invalid TLS level "${level}"`,
      suggestion: `use ${clientLevels.filter((name) => clientLevel(name) !== null).join(', ')}`,
    });
  }
  return known;
}
