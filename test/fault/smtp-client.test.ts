/** The smtp engine against servers that misbehave: a result for each recipient, never an exception. */
import { describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryRequest, RecipientResult } from '../../lib/delivery/report.js';
import { Lines } from '../helpers/lines.js';
import {
  acceptMail,
  hello,
  type ScriptedPeer,
  scriptedServer,
} from '../helpers/scripted-server.js';

type Script = (peer: ScriptedPeer) => Promise<void> | void;

const _host = '127.0.0.1[127.0.0.1]';
const oldEnough = (): number => Date.now() - 301_000;

async function deliver(
  scripts: readonly Script[],
  options: SmtpOptions = {},
  request: Partial<DeliveryRequest> = {},
  name = '127.0.0.1',
): Promise<{ results: readonly RecipientResult[]; connections: number; lines: Lines }> {
  const server = await scriptedServer(...scripts);
  const lines = new Lines();
  const report = await new Smtp({ logger: lines, ...options }).deliver({
    sender: 'a@example.org',
    recipients: ['b@example.com'],
    message: 'hello\n',
    nexthop: `[${name}]:${server.port}`,
    ...request,
  });
  await server.done;
  return { results: report.recipients, connections: server.connections, lines };
}

async function envelope(peer: ScriptedPeer, steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) {
    await peer.answer('250 2.1.0 Ok\r\n');
  }
}

async function toContent(peer: ScriptedPeer): Promise<void> {
  await envelope(peer, 2);
  await peer.answer('354 go\r\n');
}

describe('a connection that is lost', () => {
  test('after it took the message nobody tries another address', async () => {
    const { results, connections } = await deliver(
      [
        async (peer) => {
          await hello(peer);
          await toContent(peer);
          await peer.hearMessage();
          peer.end();
        },
      ],
      { lookup: async () => ['127.0.0.1', '127.0.0.1'] },
      {},
      'mx.example.net',
    );
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.4.2' }]);
    expect(connections).toBe(1);
  });
});

describe('a server that talks out of turn', () => {
  test('control characters of a server do not reach the log', async () => {
    const { lines } = await deliver([
      async (peer) => {
        peer.say('554 \x1b[31mred\x07 alert\r\n');
        await peer.gone();
      },
    ]);
    expect(lines.all[0]).toContain('554 ?[31mred? alert');
  });

  test('what is no reply is passed over, with one warning for a connection', async () => {
    const { results, lines } = await deliver([
      async (peer) => {
        peer.say('hello\r\n\x1b[31m\r\n220 x\r\n');
        await peer.answer('what?\r\n250 x\r\n');
        await acceptMail(peer);
      },
    ]);
    expect(results).toMatchObject([{ status: 'sent' }]);
    expect(lines.matching(/^warning/)).toEqual([
      expect.stringMatching(
        /^warning: non-SMTP response from 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: hello$/,
      ),
    ]);
  });

  test('a QUIT that is answered does not pass for a message that is accepted', async () => {
    const { results, connections } = await deliver(
      [
        async (peer) => {
          await hello(peer, 'PIPELINING');
          await toContent(peer);
          await peer.hearMessage();
          peer.say('oops\r\n221 2.0.0 Bye\r\n');
          await peer.gone();
        },
      ],
      { lookup: async () => ['127.0.0.1', '127.0.0.1'] },
      {},
      'mx.example.net',
    );
    expect(results).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.5.0',
        reply:
          'Protocol error: host mx.example.net[127.0.0.1] said: 221 2.0.0 Bye (in reply to end of DATA command)',
      },
    ]);
    expect(connections).toBe(1);
  });

  // The client's side of CVE-2011-0411: what comes behind the 220 in plaintext is not TLS.
  test('plaintext behind the answer to STARTTLS is never used', async () => {
    const { results } = await deliver(
      [
        async (peer) => {
          await hello(peer, 'STARTTLS');
          await peer.answer('220 go\r\n250-peer.example\r\n250 AUTH PLAIN\r\n');
          await peer.gone();
        },
      ],
      {},
      { arrivalTime: oldEnough() },
    );
    expect(results).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.5',
        reply: expect.stringMatching(
          /^Cannot start TLS: the server sent \d+ bytes of plaintext ahead of the TLS handshake$/,
        ),
        tlsFeature: 'may?',
      },
    ]);
  });
});

describe('a server that refuses', () => {
  test('a pipelined DATA that is granted without recipients is ended with a dot alone', async () => {
    let after: string | null = null;
    const { results } = await deliver([
      async (peer) => {
        await hello(peer, 'PIPELINING');
        await peer.answer('250 2.1.0 Ok\r\n');
        await peer.answer('550 5.1.1 unknown\r\n');
        await peer.answer('354 go\r\n');
        after = await peer.answer('554 5.5.1 no recipients\r\n');
        await peer.gone();
      },
    ]);
    expect(results).toMatchObject([{ status: 'bounced', dsn: '5.1.1' }]);
    expect(after).toBe('.');
  });

  test('without pipelining a refused sender is the end of it', async () => {
    let after: string | null = null;
    await deliver([
      async (peer) => {
        await hello(peer);
        await peer.answer('550 5.1.8 no\r\n');
        after = await peer.hear();
        peer.end();
      },
    ]);
    expect(after).toBe('QUIT');
  });
});
