// From a reply to a result: response code, alias chain, security, time to live. Pure.
import type { Answer, DecodedPacket } from 'dns-packet';
import type { DnsFailure, DnsResult } from './answer.js';
import { extendedErrors, type Question, responseCode } from './message.js';
import { canonicalName } from './names.js';

/** The data of a record of the type asked for; null for any other record. */
export type RecordReader<Data> = (record: Answer) => Data | null;

const MAX_ALIASES = 16;
/** RFC 2308, section 5: one to three hours work well for negative answers. */
const MAX_NEGATIVE_TTL = 3600;
const MAX_TTL = 86_400;

const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
const NXDOMAIN = 3;
export const NOTIMP = 4;
const REFUSED = 5;

const CODES = new Map([
  [FORMERR, 'FORMERR'],
  [SERVFAIL, 'SERVFAIL'],
  [NOTIMP, 'NOTIMP'],
  [REFUSED, 'REFUSED'],
]);

/**
 * Reads a reply.
 *
 * @param trusted whether the server's AD bit counts
 */
export function interpret<Data>(
  reply: DecodedPacket,
  question: Question,
  trusted: boolean,
  read: RecordReader<Data>,
): DnsResult<Data> {
  const code = responseCode(reply);
  if (code !== NOERROR && code !== NXDOMAIN) {
    return refusal(reply, question, code);
  }
  const secure = trusted && reply.flag_ad;
  const answers = reply.answers ?? [];
  const chain = followAliases(answers, question, read);
  if (chain === null) {
    return failure(question, 'malformed', 'an alias chain without end');
  }
  const { name, records } = chain;
  if (records.length > 0) {
    return { kind: 'found', records, secure, name, ttl: chain.ttl };
  }
  if (code === NOERROR && isReferral(reply)) {
    return failure(question, 'refused', 'the server does not offer recursion');
  }
  const reason = code === NXDOMAIN ? 'nxdomain' : 'nodata';
  return { kind: 'none', reason, secure, name, ttl: Math.min(chain.ttl, negativeTtl(reply)) };
}

/** True for data of any kind, whether or not it would validate: the reply to a query with CD. */
export function hasData(reply: DecodedPacket): boolean {
  const code = responseCode(reply);
  return code === NOERROR || code === NXDOMAIN;
}

export function failure(question: Question, reason: DnsFailure['reason'], why: string): DnsFailure {
  return { kind: 'failure', reason, text: `${question.name} ${question.type}: ${why}` };
}

interface Chain<Data> {
  /** The last name. */
  readonly name: string;
  readonly records: readonly Data[];
  readonly ttl: number;
}

/** Follows aliases within the answer only; null when there are too many or they go in a circle. */
function followAliases<Data>(
  answers: readonly Answer[],
  question: Question,
  read: RecordReader<Data>,
): Chain<Data> | null {
  let { name } = question;
  let ttl = MAX_TTL;
  for (let left = MAX_ALIASES; left >= 0; left--) {
    const owned = answers.filter((record) => canonicalName(record.name) === name);
    const found = owned.flatMap((record) => {
      const data = read(record);
      return data === null ? [] : [{ data, ttl: ttlOf(record) }];
    });
    const alias = owned.find((record) => record.type === 'CNAME');
    if (found.length > 0 || alias === undefined) {
      ttl = Math.min(ttl, ...found.map((record) => record.ttl));
      return { name, records: found.map(({ data }) => data), ttl };
    }
    const target = alias.type === 'CNAME' ? canonicalName(alias.data) : null;
    if (target === null) {
      return null;
    }
    ttl = Math.min(ttl, ttlOf(alias));
    name = target;
  }
  return null;
}

/** Nothing, said by a server that neither owns the name nor asks others: it tells nothing about it. */
function isReferral(reply: DecodedPacket): boolean {
  return !reply.flag_ra && !reply.flag_aa;
}

/** RFC 2308: without the zone's SOA a negative answer is not kept. */
function negativeTtl(reply: DecodedPacket): number {
  for (const record of reply.authorities ?? []) {
    if (record.type === 'SOA') {
      return Math.min(ttlOf(record), seconds(record.data.minimum ?? 0), MAX_NEGATIVE_TTL);
    }
  }
  return 0;
}

function ttlOf(record: Answer): number {
  return record.type === 'OPT' ? 0 : Math.min(seconds(record.ttl ?? 0), MAX_TTL);
}

/** RFC 2181, section 8: the top bit is no time. */
function seconds(value: number): number {
  return value > 0x7fffffff ? 0 : value;
}

function refusal(reply: DecodedPacket, question: Question, code: number): DnsFailure {
  // RFC 8914: 6 is "DNSSEC Bogus", 7 to 12 are its particular forms.
  const error = extendedErrors(reply).find((number) => number >= 6 && number <= 12);
  if (code === SERVFAIL && error !== undefined) {
    return failure(question, 'bogus', `DNSSEC validation failed (extended error ${error})`);
  }
  const text = `the server answers ${CODES.get(code) ?? `with code ${code}`}`;
  return failure(question, code === REFUSED ? 'refused' : 'servfail', text);
}
