/**
 * Which TLSA records count (RFC 7672, section 3.1): two kinds of unusable ones.
 *
 * Usages 0 and 1 and reserved matching types are rejected as soon as they are looked up. Selectors, matching types and
 * lengths that the TLS library does not know are rejected by it when a session loads them; here that is foreseen,
 * because whether to ask for a raw public key depends on it.
 */
import type { TlsaRecord } from '../dns/answer.js';
import type { DaneDigest } from './dane-digests.js';
import type { Warn } from './table-policy.js';

const daneTa = 2;
const daneEe = 3;
/** Configured fingerprints are handed to the TLS library with this matching type. */
const fingerprintType = 255;

/**
 * Those that the policy does not reject.
 *
 * @param owner the name of the query, and ` -> ` and where an alias of it led to
 */
export function usableRecords(
  records: readonly TlsaRecord[],
  owner: string,
  warn: Warn,
): readonly TlsaRecord[] {
  return records.filter((record) => {
    const reason = rejection(record);
    if (reason === null) {
      return true;
    }
    warn(
      reason === 'truncated'
        ? `${owner}: truncated TLSA RR length == ${record.data.length + 3}`
        : `${owner} ${reason}: ${tlsaText(record)}`,
    );
    return false;
  });
}

function rejection({ usage, matchingType, data }: TlsaRecord): string | null {
  if (data.length === 0) {
    return 'truncated';
  }
  if (usage !== daneTa && usage !== daneEe) {
    return 'unsupported TLSA certificate usage';
  }
  return matchingType === fingerprintType ? 'reserved private-use matching type' : null;
}

/** `3 1 1 HEX` in upper case; the middle of long data is left out, as in Postfix's log. */
export function tlsaText({ usage, selector, matchingType, data }: TlsaRecord): string {
  const hex = (bytes: Buffer): string => bytes.toString('hex').toUpperCase();
  const shown =
    data.length > 64 ? `${hex(data.subarray(0, 32))}...${hex(data.subarray(-32))}` : hex(data);
  return `${usage} ${selector} ${matchingType} ${shown}`;
}

/** What the TLS library will take. */
export function isLoadable(record: TlsaRecord, digests: readonly DaneDigest[]): boolean {
  const { selector, matchingType, data } = record;
  if (selector > 1) {
    return false;
  }
  const length = digests.find((digest) => digest.matchingType === matchingType)?.length;
  return matchingType === 0 || length === data.length;
}

/** A raw public key can match all of them: DANE-EE over the key. True if there are none. */
export function allMatchRawKeys(records: readonly TlsaRecord[]): boolean {
  return records.every(({ usage, selector }) => usage === daneEe && selector === 1);
}
