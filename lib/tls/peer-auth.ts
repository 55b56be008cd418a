/**
 * What a server must show at each security level, in the form that native code takes.
 *
 * OpenSSL does the matching. Here levels become its terms (spec of the levels: Postfix's TLS_README and RFC 7672):
 *
 * | level | names | records | raw public key |
 * |---|---|---|---|
 * | none, may, encrypt | - | - | where enabled |
 * | fingerprint | - | each digest as 3 0 255 and 3 1 255: of the certificate, or of its key | where enabled |
 * | halfdane, dane, dane-only | reference names of DANE-TA | TLSA | when every record is 3 1 x |
 * | verify, secure | reference names | those of trust-anchor files | never |
 */
import { TlsError } from '../errors.js';
import type { NativePeerAuth } from '../native.js';
import { isDaneBased, isPkix, mustMatch, neverVerified, type TlsLevel } from './levels.js';

/** A TLSA record (RFC 6698 section 2.1). */
export interface TlsaData {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly data: Uint8Array;
}

/** What a server is to be matched with; what the level does not use is left aside. */
export interface PeerMatch {
  /** Levels `verify`, `secure` and DANE with trust anchors: names; `.example.com` is any sub-domain of it. A-labels. */
  readonly names?: readonly string[];
  /** Level `fingerprint`: digests in hex, with or without colons, of certificates or public keys. */
  readonly fingerprints?: readonly string[];
  /**
   * DANE levels: the records. At `verify` and `secure` they come on top of the CAs: usages 0 and 1 (PKIX-TA, PKIX-EE) as a
   * local policy.
   */
  readonly tlsa?: readonly TlsaData[];
  /** Levels `verify`, `secure`: PEM files of certificates and public keys that replace the CAs. */
  readonly trustAnchorFiles?: readonly string[];
  /** Ask for a raw public key (RFC 7250), at levels below DANE. */
  readonly enableRpk?: boolean;
  /** Verification is to fail, whatever the server shows. */
  readonly forcedFailure?: boolean;
}

/** RFC 7218 */
const daneEe = 3;
const wholeCertificate = 0;
const publicKey = 1;

/** Stands for the configured fingerprint digest. */
const fingerprintType = 255;

/** As Postfix has it: room for the longest digest, each byte with a colon. */
const longestFingerprint = 3 * 64;

/**
 * For `startTls`.
 *
 * @param warn gets fingerprints that cannot be read; they are left out
 * @throws TlsError `INVALID_PARAMETER` when nothing could ever match: level `fingerprint` without one digest, a DANE level
 *   without a record, `verify` and `secure` without a name
 */
export function peerAuth(
  level: TlsLevel,
  match: PeerMatch,
  warn: (text: string) => void = () => undefined,
): NativePeerAuth {
  const tlsa = records(level, match, warn);
  const names = isPkix(level) || isDaneBased(level) ? (match.names ?? []) : [];
  if (match.forcedFailure !== true) {
    requireSomething(level, names, tlsa);
  }
  return {
    names,
    tlsa,
    anchorFiles: isPkix(level) ? (match.trustAnchorFiles ?? []) : [],
    forcedFailure: match.forcedFailure ?? false,
    mustMatch: mustMatch(level),
    halfDane: neverVerified(level),
    encryptIfUnusable: level === 'dane' || level === 'halfdane',
    requestRpk: isDaneBased(level)
      ? tlsa.every(([usage, selector]) => usage === daneEe && selector === publicKey)
      : !isPkix(level) && (match.enableRpk ?? false),
  };
}

function records(
  level: TlsLevel,
  match: PeerMatch,
  warn: (text: string) => void,
): NativePeerAuth['tlsa'] {
  if (level === 'fingerprint') {
    return fingerprints(match.fingerprints ?? [], warn).flatMap((digest) => [
      [daneEe, wholeCertificate, fingerprintType, digest] as const,
      [daneEe, publicKey, fingerprintType, digest] as const,
    ]);
  }
  return mustMatch(level)
    ? (match.tlsa ?? []).map(({ usage, selector, matchingType, data }) => {
        if (matchingType === fingerprintType) {
          throw wrong('TLSA matching type 255 is reserved');
        }
        return [usage, selector, matchingType, data] as const;
      })
    : [];
}

function requireSomething(
  level: TlsLevel,
  names: readonly string[],
  tlsa: NativePeerAuth['tlsa'],
): void {
  if (level === 'fingerprint' && tlsa.length === 0) {
    throw wrong('level fingerprint needs at least one valid digest');
  }
  if (isDaneBased(level) && tlsa.length === 0) {
    throw wrong(`level ${level} needs TLSA records`);
  }
  if (isPkix(level) && names.length === 0) {
    throw wrong(`level ${level} needs a name to compare with`);
  }
}

/** Bytes of the digests that can be read. */
export function fingerprints(
  texts: readonly string[],
  warn: (text: string) => void,
): readonly Uint8Array[] {
  return texts.flatMap((text) => {
    const fine = text.length <= longestFingerprint && /^[\da-f]{2}(?::?[\da-f]{2})*$/i.test(text);
    if (!fine) {
      warn(`malformed fingerprint digest "${text}" is ignored`);
    }
    return fine ? [Buffer.from(text.replaceAll(':', ''), 'hex')] : [];
  });
}

function wrong(message: string): TlsError {
  return new TlsError({ code: 'INVALID_PARAMETER', message });
}
