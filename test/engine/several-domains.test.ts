/** One message for several domains: side by side, and where it comes as a stream. */
import { setImmediate as turn } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryReport, DeliveryRequest, MessageContent } from '../../lib/delivery/report.js';
import { sideBySide } from '../../lib/delivery/side-by-side.js';
import type { SmtpdOptions } from '../../lib/server.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { MemoryDns } from '../helpers/memory-dns.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

const { chainFile } = certificate('ecdsa');

/** To users of `domains`, whose hosts are all on one server. */
async function deliver(
  domains: readonly string[],
  smtpd: Partial<SmtpdOptions> = {},
  request: Partial<DeliveryRequest> = {},
  options: SmtpOptions = {},
): Promise<{ readonly report: DeliveryReport; readonly server: TestServer }> {
  const server = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [chainFile] },
    clientConnectionCountLimit: 0,
    ...smtpd,
  });
  const zone = domains.map((domain) => [
    [`${domain} MX`, [`10 mx1.${domain}`, `20 mx2.${domain}`]],
    [`mx1.${domain} A`, ['127.0.0.1']],
    [`mx2.${domain} A`, ['127.0.0.1']],
  ]);
  const smtp = new Smtp({
    logger: new Lines(),
    tcpPort: String(server.port),
    resolver: new MemoryDns(Object.fromEntries(zone.flat())),
    ...options,
  });
  onTestFinished(() => smtp.close());
  const report = await smtp.deliver({
    sender: 'a@example.org',
    recipients: domains.map((domain) => `b@${domain}`),
    message: 'hello\r\n',
    ...request,
  });
  return { report, server };
}

/** Results as `b@one.example sent`. */
function results({ recipients }: DeliveryReport): readonly string[] {
  return recipients.map(({ recipient, status }) => `${recipient} ${status}`);
}

function names(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `d${i}.example`);
}

/** Takes messages when `together` of them are there; `most`: how many there were at a time. */
function meeting(together: number) {
  const state = { now: 0, most: 0 };
  const inside: (() => void)[] = [];
  const onData: SmtpdOptions['onData'] = async (_session, message) => {
    for await (const _part of message) {
      // all of it
    }
    state.now++;
    state.most = Math.max(state.most, state.now);
    await new Promise<void>((resolve) => {
      inside.push(resolve);
      if (inside.length === together) {
        for (const wake of inside.splice(0)) {
          wake();
        }
      }
    });
    state.now--;
  };
  return { state, onData };
}

describe('domains', () => {
  test('are delivered to side by side, and the results are in the order of the recipients', async () => {
    const { state, onData } = meeting(5);
    const { report } = await deliver(names(5), { onData });
    expect(results(report)).toEqual(names(5).map((name) => `b@${name} sent`));
    expect(state.most).toBe(5);
  });

  test.each([
    ['20 of them', {}, 40, 20],
    ['as many as messageConcurrencyLimit says', { messageConcurrencyLimit: 3 }, 9, 3],
    ['all of them where it is 0', { messageConcurrencyLimit: 0 }, 30, 30],
    ['not more than connectionLimit', { connectionLimit: 2 }, 6, 2],
  ])('%s at a time', async (_, options, count, most) => {
    const { state, onData } = meeting(most);
    const { report } = await deliver(names(count), { onData }, {}, options);
    expect(new Set(report.recipients.map(({ status }) => status))).toEqual(new Set(['sent']));
    expect(state.most).toBe(most);
  });

  test('that fail leave the others alone', async () => {
    const domains = ['one.example', 'none.example', 'two.example'];
    const { report } = await deliver(domains, {
      onRcpt: (_session, { address }) =>
        address.endsWith('@none.example') ? { code: 550, text: 'no' } : undefined,
    });
    expect(results(report)).toEqual([
      'b@one.example sent',
      'b@none.example bounced',
      'b@two.example sent',
    ]);
  });

  test.each([-1, 1.5])('messageConcurrencyLimit %s is refused', (messageConcurrencyLimit) => {
    expect(() => new Smtp({ messageConcurrencyLimit })).toThrow(
      expect.objectContaining({ code: 'INVALID_PARAMETER' }),
    );
  });

  test('of which one throws: the error comes when the others are through', async () => {
    const through: number[] = [];
    const work = async (item: number): Promise<void> => {
      if (item === 0) {
        throw new Error('out of order');
      }
      await turn();
      through.push(item);
    };
    await expect(sideBySide([0, 1, 2], 0, work)).rejects.toThrow('out of order');
    expect(through).toEqual([1, 2]);
  });
});

describe('a function that makes the stream', () => {
  const body = `${'x'.repeat(70)}\r\n`.repeat(5000);
  const text = `Subject: x\r\n\r\n${body}`;

  /** Its streams, each with what became of it. */
  function maker() {
    const made: Readable[] = [];
    const message = (): Readable => {
      const stream = Readable.from([text.slice(0, 9), text.slice(9, 20), text.slice(20)]);
      made.push(stream);
      return stream;
    };
    return { made, message };
  }

  test('is called for each domain, and each gets all of it', async () => {
    const { made, message } = maker();
    const { report, server } = await deliver(names(3), {}, { message });
    expect(results(report)).toEqual(names(3).map((name) => `b@${name} sent`));
    expect(server.received.map(({ content }) => content.toString() === text)).toEqual([
      true,
      true,
      true,
    ]);
    expect(made).toHaveLength(3);
    expect(made.every(({ destroyed }) => destroyed)).toBe(true);
  });

  test('is called again for a further server', async () => {
    const { made, message } = maker();
    let messages = 0;
    const { report } = await deliver(
      ['one.example'],
      {
        onData: async (_session, content) => {
          for await (const _part of content) {
            // all of it
          }
          return messages++ === 0 ? { code: 451, enhanced: '4.3.0', text: 'later' } : undefined;
        },
      },
      { message },
    );
    expect(results(report)).toEqual(['b@one.example sent']);
    expect([messages, made.length]).toEqual([2, 2]);
  });

  test('may be asynchronous', async () => {
    const { message } = maker();
    const { report, server } = await deliver(names(2), {}, { message: async () => message() });
    expect(results(report)).toEqual(names(2).map((name) => `b@${name} sent`));
    expect(server.received[1]?.content.toString()).toBe(text);
  });

  test('that is not wanted in the end leaves no stream open', async () => {
    const { made, message } = maker();
    const { report } = await deliver(
      names(2),
      { onRcpt: () => ({ code: 550, text: 'no' }) },
      { message },
    );
    expect(results(report)).toEqual(names(2).map((name) => `b@${name} bounced`));
    expect(made.every(({ destroyed }) => destroyed)).toBe(true);
  });

  const throwing = (): never => {
    throw new Error('no such file');
  };

  test.each<[string, MessageContent, string]>([
    ['throws', throwing, 'no such file'],
    ['rejects', async () => throwing(), 'no such file'],
    [
      'returns no stream',
      (() => 'text') as unknown as MessageContent,
      'the function that makes the message did not return a stream',
    ],
    [
      'returns nothing',
      (() => undefined) as unknown as MessageContent,
      'the function that makes the message did not return a stream',
    ],
  ])('that %s defers', async (_, message, reason) => {
    const { report } = await deliver(names(2), {}, { message });
    expect(report.recipients).toMatchObject(
      names(2).map(() => ({
        ...{ status: 'deferred', dsn: '4.3.0' },
        reply: `cannot read the message: ${reason}`,
      })),
    );
  });
});

test.each([
  ['a number', 1],
  ['a list', ['a', 'b']],
  ['an object', {}],
])('%s is no message', async (_, message) => {
  await expect(deliver(names(1), {}, { message: message as never })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^message is neither/),
  });
});
