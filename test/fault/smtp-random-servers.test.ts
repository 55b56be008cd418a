/**
 * Servers that say anything at all: whatever it is, a delivery ends with one result for each recipient.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryRequest } from '../../lib/delivery/report.js';
import { checkReports } from '../helpers/fault-table.js';
import { Lines } from '../helpers/lines.js';
import {
  type ScriptedPeer,
  type ScriptedServers,
  scriptedServers,
} from '../helpers/scripted-server.js';

/** What a server does: says something, hears a line, or leaves. */
type Act = { readonly say: string } | { readonly hear: true } | { readonly leave: 'end' | 'reset' };

const codes = fc.constantFrom(220, 221, 235, 250, 250, 250, 354, 354, 421, 450, 501, 550, 554, 100);
const texts = fc.oneof(
  fc.constantFrom(
    '',
    '2.0.0 Ok',
    'ESMTP',
    'PIPELINING',
    'STARTTLS',
    'CHUNKING',
    'SIZE 1',
    '5.7.1 no',
  ),
  fc.string({ maxLength: 20, unit: 'binary' }),
);
const replies = fc
  .tuple(codes, fc.array(texts, { maxLength: 4 }), texts)
  .map(([code, more, last]) =>
    [...more.map((text) => `${code}-${text}`), `${code} ${last}`]
      .map((line) => `${line}\r\n`)
      .join(''),
  );
const noise = fc.oneof(
  fc.constantFrom('\r\n', '\n', '250', '\0\0\r\n', '250-', '2', 'x'.repeat(3000), '250 ok\n'),
  fc.string({ maxLength: 40, unit: 'binary' }),
);
const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: replies.map((say): Act => ({ say })) },
  { weight: 8, arbitrary: fc.constant<Act>({ hear: true }) },
  { weight: 1, arbitrary: noise.map((say): Act => ({ say })) },
  { weight: 1, arbitrary: fc.constantFrom<Act>({ leave: 'end' }, { leave: 'reset' }) },
);
/** Most get as far as the envelope before anything goes wrong. */
const beginnings = fc.constantFrom<readonly Act[]>(
  [],
  [{ say: '220 x ESMTP\r\n' }, { hear: true }, { say: '250 x\r\n' }, { hear: true }],
  [
    { say: '220 x ESMTP\r\n' },
    { hear: true },
    { say: '250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n' },
    { hear: true },
  ],
);
const scripts = fc
  .tuple(beginnings, fc.array(acts, { maxLength: 20 }))
  .map(([first, rest]) => [...first, ...rest]);

async function perform(peer: ScriptedPeer, script: readonly Act[]): Promise<void> {
  for (const act of script) {
    if ('say' in act) {
      peer.say(act.say);
    } else if ('hear' in act) {
      await peer.hear();
    } else if (act.leave === 'end') {
      return peer.end();
    } else {
      return peer.reset();
    }
  }
  peer.end();
}

const cases = fc.record({
  scripts: fc.array(scripts, { minLength: 1, maxLength: 3 }),
  recipients: fc.integer({ min: 1, max: 3 }),
  messages: fc.integer({ min: 1, max: 2 }),
  bdat: fc.boolean(),
});
type Case = typeof cases extends fc.Arbitrary<infer Value> ? Value : never;

/** A server that waits for the client while that waits for the server is left soon. */
const limit = 1000;
const impatient: SmtpOptions = {
  ...{ heloTimeout: limit, starttlsTimeout: limit, mailTimeout: limit, rcptTimeout: limit },
  ...{ dataInitTimeout: limit, dataXferTimeout: limit, dataDoneTimeout: limit },
  ...{ rsetTimeout: limit, quitTimeout: limit },
};

async function deliver(servers: ScriptedServers, { scripts: all, ...rest }: Case): Promise<void> {
  const server = await servers.listen(
    ...all.map((script) => (peer: ScriptedPeer) => perform(peer, script)),
  );
  const requests = Array.from(
    { length: rest.messages },
    (_, n): DeliveryRequest => ({
      sender: 'a@example.org',
      recipients: ['b', 'c', 'd'].slice(0, rest.recipients).map((name) => `${name}${n}@x.example`),
      message: 'a line\n'.repeat(n === 0 ? 2 : 10_000),
      nexthop: [server.nexthop, server.nexthop],
      bdat: rest.bdat,
    }),
  );
  checkReports(
    requests,
    await new Smtp({ logger: new Lines(), ...impatient }).deliverAll(requests),
  );
  expect(server.connections).toBeLessThanOrEqual(4 * rest.messages);
  await server.done; // the client has gone each time
}

// They run side by side, as many of them end in a time limit.
test('each recipient has one result', { timeout: 120_000 }, async () => {
  const servers = scriptedServers();
  try {
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        fc.sample(cases, 100).map((sample) =>
          deliver(servers, sample).catch((error: unknown) => {
            throw new Error(`with ${JSON.stringify(sample)}`, { cause: error });
          }),
        ),
      );
    }
  } finally {
    servers.close();
  }
});
