// One question to the servers in turn, until one of them knows.
import type { DnsFailure, DnsResult } from './answer.js';
import {
  failure,
  FORMERR,
  hasData,
  interpret,
  NOTIMP,
  type RecordReader,
  SERVFAIL,
} from './interpret.js';
import { makeQuery, type Question, type QueryFlags, responseCode } from './message.js';
import type { Random } from './random.js';
import type { DnsServer } from './servers.js';
import { type Exchange, exchange } from './transport.js';

export interface AskProps {
  /** In the order in which they are asked. */
  readonly servers: readonly DnsServer[];
  /** Milliseconds per server and attempt. */
  readonly timeout: number;
  readonly attempts: number;
  readonly random: Random;
}

/**
 * Asks. What one server cannot tell, the next one may; who has not answered is asked again. That data is
 * bogus is an answer, and no other server is asked for a more pleasant one.
 */
export async function ask<Data>(
  question: Question,
  read: RecordReader<Data>,
  props: AskProps,
): Promise<DnsResult<Data>> {
  let servers = props.servers;
  let failed: DnsFailure = failure(question, 'unreachable', 'no DNS server is configured');
  for (let left = props.attempts; left > 0 && servers.length > 0; left--) {
    const silent: DnsServer[] = [];
    for (const server of servers) {
      const result = await askServer(server, question, read, props);
      if (result.kind !== 'failure' || result.reason === 'bogus') {
        return result;
      }
      if (result.reason === 'unreachable' || result.reason === 'malformed') {
        silent.push(server);
      }
      failed = moreTelling(failed, result);
    }
    servers = silent;
  }
  return failed;
}

async function askServer<Data>(
  server: DnsServer,
  question: Question,
  read: RecordReader<Data>,
  { timeout, random }: AskProps,
): Promise<DnsResult<Data>> {
  const send = (flags: QueryFlags): Promise<Exchange> =>
    exchange(server, makeQuery(question, random, flags), timeout);
  let answer = await send({});
  if (answer.kind === 'reply' && knowsNoEdns(responseCode(answer.reply))) {
    answer = await send({ plain: true });
  }
  if (answer.kind !== 'reply') {
    const reason = answer.kind === 'malformed' ? 'malformed' : 'unreachable';
    return failure(question, reason, `${server.address}:${server.port}: ${answer.text}`);
  }
  const result = interpret(answer.reply, question, server.trusted, read);
  if (!server.trusted || result.kind !== 'failure' || responseCode(answer.reply) !== SERVFAIL) {
    return result;
  }
  // SERVFAIL without an extended error, which Unbound does not give by default: bogus is what can be
  // had when validation is waived (CD).
  const unchecked = result.reason === 'bogus' ? answer : await send({ checkingDisabled: true });
  return unchecked.kind === 'reply' && hasData(unchecked.reply)
    ? failure(question, 'bogus', 'DNSSEC validation failed')
    : result;
}

/** RFC 6891, section 7: FORMERR; some say NOTIMP. */
function knowsNoEdns(code: number): boolean {
  return code === FORMERR || code === NOTIMP;
}

/** A server that said something tells more than one that did not. */
function moreTelling(one: DnsFailure, other: DnsFailure): DnsFailure {
  return other.reason === 'unreachable' ? (one.reason === 'unreachable' ? other : one) : other;
}
