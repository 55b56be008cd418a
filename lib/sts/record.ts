/**
 * The TXT record that says a domain has an MTA-STS policy (RFC 8461 section 3.1).
 */
import { trimBlanks } from './blanks.js';

/** 1 to 32 letters and digits; a new one means a new policy. */
export type StsId = string;

const version = /^v=STSv1[ \t]*(?:;|$)/;
const id = /^id=([A-Za-z0-9]{1,32})$/;
const extension = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+$/;

/**
 * The id of the one record among the TXT records of `_mta-sts.DOMAIN`; null: the domain has no policy.
 *
 * Records of other kinds do not count. More than one, or one with an error, is as good as none.
 */
export function findStsId(records: readonly string[]): StsId | null {
  const candidates = records.filter((record) => version.test(record));
  const [record] = candidates;
  return record === undefined || candidates.length > 1 ? null : parseRecord(record);
}

function parseRecord(record: string): StsId | null {
  const fields = record.split(';').slice(1).map(trimBlanks);
  if (fields.at(-1) === '') {
    fields.pop();
  }
  if (!fields.every((field) => extension.test(field))) {
    return null;
  }
  // RFC 8461 asks for an id but not for one only; the first wins, as in the policy file.
  const first = fields.find((field) => field.startsWith('id='));
  return id.exec(first ?? '')?.[1] ?? null;
}
