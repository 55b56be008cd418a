// The record types that mail needs, read from dns-packet's form into ours.
import type { MxRecord, TlsaRecord } from './answer.js';
import type { RecordReader } from './interpret.js';

export const readA: RecordReader<string> = (record) => (record.type === 'A' ? record.data : null);

export const readAaaa: RecordReader<string> = (record) =>
  record.type === 'AAAA' ? record.data : null;

export const readCname: RecordReader<string> = (record) =>
  record.type === 'CNAME' ? plain(record.data) : null;

/** The exchange of a null MX (RFC 7505) is empty. */
export const readMx: RecordReader<MxRecord> = (record) =>
  record.type === 'MX'
    ? { preference: record.data.preference ?? 0, exchange: plain(record.data.exchange) }
    : null;

export const readTlsa: RecordReader<TlsaRecord> = (record) => {
  if (record.type !== 'TLSA') {
    return null;
  }
  const { usage, selector, matchingType, certificate } = record.data;
  // A copy: a slice would keep the whole message in the cache.
  return { usage, selector, matchingType, data: Buffer.from(certificate) };
};

/** Character strings joined without a separator, as SPF, MTA-STS and TLSRPT want it; bytes as Latin-1. */
export const readTxt: RecordReader<string> = (record) => {
  if (record.type !== 'TXT') {
    return null;
  }
  const parts = [record.data].flat();
  return parts.map((part) => (typeof part === 'string' ? part : part.toString('latin1'))).join('');
};

/** No check here: what is not a name finds no records when it is looked up. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
