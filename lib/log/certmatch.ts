/**
 * What a client logs about the server's match: by which name, record, fingerprint or trust anchor. Texts of Postfix.
 *
 * Pure. Names come from the certificate, but one that is trusted and was looked for.
 */
import type { MatchInfo } from '../snapshot.js';

/** The lines, in order; none where nothing matched, or on a resumed session: the first one's handshake has told. */
export function certmatchLines(matched: MatchInfo | null, namaddr: string): readonly string[] {
  if (matched === null) {
    return [];
  }
  const name =
    matched.peername === null ? [] : [`${namaddr}: matched peername: ${matched.peername}`];
  const record = recordText(matched);
  return record === null ? name : [...name, `${namaddr}: Matched ${record}`];
}

function recordText({ kind, value, depth, publicKey, rawPublicKey }: MatchInfo): string | null {
  switch (kind) {
    case 'name':
      return null;
    case 'fingerprint':
      return `fingerprint: ${value}`;
    case 'anchor':
      return `trust anchor at depth ${depth}`;
    default:
      break;
  }
  if (rawPublicKey) {
    return `DANE raw public key: ${value}`;
  }
  const what = publicKey
    ? 'TA public key verified certificate'
    : `${depth === 0 ? 'EE' : 'TA'} certificate`;
  return `DANE ${what} at depth ${depth}: ${value}`;
}
