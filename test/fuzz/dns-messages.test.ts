/** DNS messages as answers to a query of ours: read or passed over, never more than that. */
import { expect } from 'vitest';
import type { DnsResult } from '../../lib/dns/answer.js';
import { interpret, type RecordReader } from '../../lib/dns/interpret.js';
import { makeQuery, type QuestionType, readReply } from '../../lib/dns/message.js';
import { canonicalName } from '../../lib/dns/names.js';
import { readA, readAaaa, readCname, readMx, readTlsa, readTxt } from '../../lib/dns/records.js';
import { fuzz } from './inputs.js';

const readers: readonly [QuestionType, RecordReader<unknown>][] = [
  ['MX', readMx],
  ['A', readA],
  ['AAAA', readAaaa],
  ['CNAME', readCname],
  ['TLSA', readTlsa],
  ['TXT', readTxt],
];

fuzz('dns-messages', (input) => {
  for (const [type, read] of readers) {
    // Id 0, lower case: what the messages of the corpus answer.
    const question = { name: 'a.example', type };
    const reading = readReply(
      input,
      makeQuery(question, () => 0),
    );
    if ('reply' in reading) {
      const result = interpret(reading.reply, question, true, read);
      check(result);
      // Only the flag decides what is secure, and only of a trusted server.
      expect(result.kind !== 'failure' && result.secure && !reading.reply.flag_ad).toBe(false);
      expect(interpret(reading.reply, question, false, read)).not.toMatchObject({ secure: true });
    }
  }
});

function check(result: DnsResult<unknown>): void {
  if (result.kind === 'failure') {
    expect(result.text).toMatch(/^a\.example [A-Z]+: /);
    return;
  }
  expect(canonicalName(result.name)).toBe(result.name);
  expect(result.ttl).toBeGreaterThanOrEqual(0);
  expect(result.ttl).toBeLessThanOrEqual(result.kind === 'found' ? 86_400 : 3600);
  if (result.kind === 'found') {
    expect(result.records.length).toBeGreaterThan(0);
  }
}
