/**
 * The TXT record `_smtp._tls.DOMAIN`, by which a domain asks for reports and says where to (RFC 8460 section 3).
 */
import type { DnsLookup } from '../dns/answer.js';
import type { Logger } from '../log/logger.js';

/** A domain that wants reports. */
export interface TlsrptRecord {
  /** As it is in the DNS: what Postfix hands to the collector. */
  readonly text: string;
  /** `mailto:` and `https:` URIs; others do not count. */
  readonly rua: readonly string[];
}

const version = /^v=TLSRPTv1[ \t]*;/;

/** The record of a domain in A-label form; null: no reports. Never rejects; problems are warnings, as in Postfix. */
export async function lookUpTlsrptRecord(
  domain: string,
  dns: Pick<DnsLookup, 'txt'>,
  logger?: Pick<Logger, 'warn'>,
): Promise<TlsrptRecord | null> {
  const name = `_smtp._tls.${domain}`;
  try {
    const answer = await dns.txt(name);
    if (answer.kind === 'failure') {
      logger?.warn(`TLSRPT: cannot look up ${name}: ${answer.text}`);
    }
    return answer.kind === 'found' ? findTlsrptRecord(name, answer.records, logger) : null;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    logger?.warn(`TLSRPT: cannot look up ${name}: ${why}`);
    return null;
  }
}

/** The one record of its kind among the TXT records of a name. */
export function findTlsrptRecord(
  name: string,
  records: readonly string[],
  logger?: Pick<Logger, 'warn'>,
): TlsrptRecord | null {
  const good: TlsrptRecord[] = [];
  for (const text of records.filter((record) => version.test(record))) {
    const record = parse(text);
    if (record === null) {
      logger?.warn(`TLSRPT: ignoring the malformed record of ${name}`);
    } else {
      good.push(record);
    }
  }
  if (good.length > 1) {
    logger?.warn(`TLSRPT: ignoring the records of ${name}: there are ${good.length}`);
  }
  return good.length === 1 ? (good[0] ?? null) : null;
}

function parse(text: string): TlsrptRecord | null {
  const fields = text.split(';').map((field) => field.trim());
  const rua = fields.find((field) => field.startsWith('rua='));
  const uris = (rua ?? '').slice('rua='.length).split(',');
  const usable = uris.map((uri) => uri.trim()).filter(isUsable);
  return rua === undefined || usable.length === 0 ? null : { text, rua: usable };
}

const mailto = /^mailto:[\w.!#$&'*+/=^`{|}~-]+@[A-Za-z0-9.-]+$/i;

/** Addresses that would have to be quoted or decoded do not occur, and could be meant to break a header. */
function isUsable(uri: string): boolean {
  return mailto.test(uri) || (/^https:\/\/[\x21-\x7e]+$/i.test(uri) && URL.canParse(uri));
}
