/** Digests of `smtp_tls_fingerprint_cert_match` and of the attribute `match` at level fingerprint. */

export interface Fingerprints {
  /** Upper case hex with colons, as Postfix writes digests; no duplicates. */
  readonly digests: readonly string[];
  readonly warnings: readonly string[];
}

/** EVP_MAX_MD_SIZE bytes, with a colon after each. */
const longest = 3 * 64;

/** Malformed ones are warnings and left out; whether the length fits the digest is for the session to find out. */
export function readFingerprints(values: readonly string[]): Fingerprints {
  const digests = new Set<string>();
  const warnings: string[] = [];
  for (const value of values) {
    if (value.length > longest) {
      warnings.push(`malformed fingerprint value: ${value.slice(0, 100)}...`);
    } else if (/^(?:[0-9a-f]{2}:?)*[0-9a-f]{2}$/i.test(value)) {
      const pairs = value.replaceAll(':', '').toUpperCase().match(/../g) ?? [];
      digests.add(pairs.join(':'));
    } else {
      warnings.push(`malformed fingerprint value: ${value}`);
    }
  }
  return { digests: [...digests], warnings };
}

/** The attribute `match` separates digests by `|`. */
export function splitFingerprints(text: string): readonly string[] {
  return text.split(/[\s,|]+/).filter((word) => word !== '');
}
