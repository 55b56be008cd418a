/**
 * `tls_dane_digests`: the digests of TLSA records that are usable, strongest first (RFC 6698 section 2.1.3, RFC 7671
 * section 9).
 *
 * `sha512` and `sha256` have numbers 2 and 1 of their own; any other is `name=number`. Matching type 0, the whole
 * content, is always usable. What is wrong is left out, with a warning: a typing error must not stop mail.
 */

/** Algorithm as the library names it, and matching type. */
export type DaneDigest = readonly [name: string, number: number];

export interface DaneDigestList {
  readonly digests: readonly DaneDigest[];
  /** For the log. */
  readonly warnings: readonly string[];
}

/** Numbers that RFC 6698 has given away. */
const assigned: ReadonlyMap<string, number> = new Map([
  ['sha256', 1],
  ['sha512', 2],
]);

const largestNumber = 254;

/** Pure: `supported` tells whether the library knows an algorithm other than the two. */
export function daneDigestList(
  words: readonly string[],
  supported: (name: string) => boolean,
): DaneDigestList {
  const digests: DaneDigest[] = [];
  const warnings: string[] = [];
  for (const word of words) {
    const digest = parse(word);
    const problem =
      digest === null ? 'is neither a digest nor NAME=1..254' : fault(digest, digests, supported);
    if (digest === null || problem !== null) {
      warnings.push(`tls_dane_digests: "${word}" ${problem}, it is ignored`);
    } else {
      digests.push(digest);
    }
  }
  return { digests, warnings };
}

function parse(word: string): DaneDigest | null {
  const parts = /^([^=]+)(?:=(\d{1,3}))?$/.exec(word);
  const name = parts?.[1]?.toLowerCase() ?? '';
  const number = parts?.[2] === undefined ? assigned.get(name) : Number(parts[2]);
  return number === undefined || number < 1 || number > largestNumber ? null : [name, number];
}

/** Why a digest cannot be added; null: it can. */
function fault(
  [name, number]: DaneDigest,
  known: readonly DaneDigest[],
  supported: (name: string) => boolean,
): string | null {
  if (number <= assigned.size && assigned.get(name) !== number) {
    return `has a number that belongs to ${number === 1 ? 'sha256' : 'sha512'}`;
  }
  if (known.some((other) => other[0] === name || other[1] === number)) {
    return 'repeats a digest or a number';
  }
  return assigned.has(name) || supported(name) ? null : 'is not known to the library';
}
