/** `tls_dane_digests`: the digests of TLSA records that are usable, and which of them is stronger. */
import { createHash, getHashes } from 'node:crypto';

export interface DaneDigest {
  /** As OpenSSL calls it. */
  readonly name: string;
  readonly matchingType: number;
  /** Bytes. */
  readonly length: number;
}

export interface DaneDigests {
  /** Strongest first. */
  readonly digests: readonly DaneDigest[];
  readonly warnings: readonly string[];
}

/** RFC 6698, section 7.4. */
const assigned: Readonly<Record<string, number>> = { sha256: 1, sha512: 2 };

/** Reads `name` and `name=number`; what is wrong is a warning and left out. */
export function readDaneDigests(words: readonly string[]): DaneDigests {
  const digests: DaneDigest[] = [];
  const warnings: string[] = [];
  for (const word of words) {
    const digest = readDigest(word);
    if (typeof digest === 'string') {
      warnings.push(digest);
    } else if (digests.some(({ matchingType }) => matchingType === digest.matchingType)) {
      warnings.push(
        `tls_dane_digests: matching type ${digest.matchingType} specified more than once`,
      );
    } else {
      digests.push(digest);
    }
  }
  return { digests, warnings };
}

function readDigest(word: string): DaneDigest | string {
  const equals = word.indexOf('=');
  const given = equals < 0 ? word : word.slice(0, equals);
  const name = given.toLowerCase();
  const number = equals < 0 ? null : word.slice(equals + 1);
  const matchingType = number === null ? assigned[name] : Number(number);
  if (matchingType === undefined) {
    return `tls_dane_digests: digest algorithm ${given} needs an explicit number`;
  }
  if (number !== null && (!/^\d+$/.test(number) || matchingType > 255)) {
    return `Invalid matching type number in tls_dane_digests: ${given}=${number}`;
  }
  if (matchingType === 0 || matchingType === 255) {
    return `Reserved matching type number in tls_dane_digests: ${given}=${number}`;
  }
  const owner = Object.keys(assigned).find((known) => assigned[known] === matchingType);
  if (owner !== undefined && owner !== name) {
    return `tls_dane_digests: matching type ${matchingType} can only be ${owner}`;
  }
  if (!getHashes().some((hash) => hash.toLowerCase() === name)) {
    return `tls_dane_digests: digest algorithm "${given}"(${matchingType}) unknown`;
  }
  return { name, matchingType, length: createHash(name).digest().length };
}
