/**
 * When the smtp engine gives up TLS and when it does not: each rule by its name (Postfix's smtp_proto.c
 * and smtp_trouble.c).
 */
import { describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryRequest, RecipientResult } from '../../lib/delivery/report.js';
import { Lines } from '../helpers/lines.js';
import {
  acceptMail,
  ehlo,
  hello,
  type ScriptedPeer,
  scriptedServer,
} from '../helpers/scripted-server.js';

type Script = (peer: ScriptedPeer) => Promise<void> | void;

const host = '127.0.0.1[127.0.0.1]';
/** `minimal_backoff_time` is 300 s. */
const ago = (seconds: number): number => Date.now() - seconds * 1000;
const old = (): Partial<DeliveryRequest> => ({ arrivalTime: ago(301) });
const encrypt: SmtpOptions = { tls: { securityLevel: 'encrypt' } };

interface Came {
  readonly results: readonly RecipientResult[];
  readonly connections: number;
  readonly lines: Lines;
}

async function deliver(
  scripts: readonly Script[],
  options: SmtpOptions = {},
  request: Partial<DeliveryRequest> = {},
): Promise<Came> {
  const server = await scriptedServer(...scripts);
  const lines = new Lines();
  // With its groups the ClientHello is small: a handshake that breaks is not tried with a smaller one.
  const tls = { eecdhAutoCurves: ['X25519'], ...options.tls };
  const report = await new Smtp({ logger: lines, ...options, tls }).deliver({
    sender: 'a@example.org',
    recipients: ['b@example.com'],
    message: 'hello\n',
    nexthop: server.nexthop,
    ...request,
  });
  await server.done;
  return { results: report.recipients, connections: server.connections, lines };
}

/** Offers TLS, and hangs up in the handshake. */
const broken: Script = async (peer) => {
  await hello(peer, 'STARTTLS');
  await peer.answer('220 go\r\n');
  peer.end();
};
/** Offers TLS, and takes plaintext. */
const plain: Script = async (peer) => {
  await hello(peer, 'STARTTLS');
  await acceptMail(peer);
};
const noTls: Script = async (peer) => {
  await hello(peer);
  await acceptMail(peer);
};

async function inTls(peer: ScriptedPeer): Promise<void> {
  await hello(peer, 'STARTTLS');
  await peer.answer('220 go\r\n');
  await peer.secure();
}

const failed = {
  status: 'deferred',
  dsn: '4.7.5',
  reply: 'Cannot start TLS: handshake failure',
};
const sentPlain = { status: 'sent', tlsFeature: 'may:none' };

describe('STARTTLS is not offered', () => {
  test('at may: plaintext in the same session', async () => {
    const { results, connections } = await deliver([noTls]);
    expect(results).toMatchObject([sentPlain]);
    expect(connections).toBe(1);
  });

  test('at encrypt: 4.7.4', async () => {
    const { results } = await deliver([noTls], encrypt, old());
    expect(results).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.4',
        reply: `TLS is required, but was not offered by host ${host}`,
        tlsFeature: '!encrypt',
      },
    ]);
  });
});

describe('STARTTLS is refused', () => {
  const refusing: Script = async (peer) => {
    await hello(peer, 'STARTTLS');
    await peer.answer('454 4.7.0 TLS not available due to local problem\r\n');
    await acceptMail(peer);
  };

  test('at may: plaintext in the same session', async () => {
    const { results, connections } = await deliver([refusing]);
    expect(results).toMatchObject([sentPlain]);
    expect(connections).toBe(1);
  });

  test("at encrypt: the server's own code", async () => {
    const { results } = await deliver([refusing], encrypt, old());
    expect(results).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.0',
        reply: `TLS is required, but host ${host} refused to start TLS: 454 4.7.0 TLS not available due to local problem`,
        tlsFeature: '!encrypt',
      },
    ]);
  });
});

describe('our TLS engine is unavailable', () => {
  const missing = { CAfile: '/nonexistent/ca.pem' };

  test('at may: plaintext in the same session, with a warning', async () => {
    const { results, lines } = await deliver([plain], { tls: missing });
    expect(results).toMatchObject([sentPlain]);
    expect(lines.matching(/^warning: .*: disabling TLS support$/)).toHaveLength(1);
  });

  test('at encrypt: 4.7.5', async () => {
    const { results } = await deliver([plain], { tls: { ...missing, securityLevel: 'encrypt' } });
    expect(results).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.5',
        reply: 'TLS is required, but our TLS engine is unavailable',
        tlsFeature: '!encrypt',
      },
    ]);
  });
});

describe('the handshake fails at may', () => {
  test.each([
    ['has just arrived', (): Partial<DeliveryRequest> => ({})],
    ['arrived 299 s ago', () => ({ arrivalTime: ago(299) })],
    ['will arrive in a minute', () => ({ arrivalTime: ago(-60) })],
  ])('a message that %s is deferred', async (_, request) => {
    const { results, connections, lines } = await deliver([broken, plain], {}, request());
    expect(results).toMatchObject([{ ...failed, tlsFeature: 'may?' }]);
    expect(connections).toBe(1);
    expect(lines.all).toEqual([
      expect.stringMatching(/^SSL_connect error to \S+\[127\.0\.0\.1\]:\d+: lost connection$/),
      expect.stringMatching(
        /tls=may\?, dsn=4\.7\.5, status=deferred \(Cannot start TLS: handshake failure\)$/,
      ),
    ]);
  });

  test.each([300, 86_400])('one that arrived %i s ago goes in plaintext', async (seconds) => {
    const { results, connections } = await deliver(
      [broken, plain],
      {},
      { arrivalTime: ago(seconds) },
    );
    expect(results).toMatchObject([sentPlain]);
    expect(connections).toBe(2);
  });

  test('minimal_backoff_time is what counts', async () => {
    const later = await deliver([broken, plain], { minimalBackoffTime: 400_000 }, old());
    expect(later.results).toMatchObject([failed]);
    const sooner = await deliver(
      [broken, plain],
      { minimalBackoffTime: 1000 },
      { arrivalTime: ago(2) },
    );
    expect(sooner.results).toMatchObject([sentPlain]);
  });

  test('never where there are credentials for the server', async () => {
    const { results, connections } = await deliver(
      [broken, plain],
      { saslAuthEnable: true, credentials: { username: 'u', password: 'p' } },
      old(),
    );
    expect(results).toMatchObject([failed]);
    expect(connections).toBe(1);
  });

  test('credentials for another server are no reason', async () => {
    const { results } = await deliver(
      [broken, plain],
      { saslAuthEnable: true, credentials: () => null },
      old(),
    );
    expect(results).toMatchObject([sentPlain]);
  });

  test('the same address is tried before the next one', async () => {
    const { results, connections } = await deliver(
      [broken, plain, () => expect.unreachable()],
      {},
      { ...old(), nexthop: await twoHosts([broken, plain]) },
    );
    expect(results).toMatchObject([sentPlain]);
    expect(connections).toBe(0);
  });

  test('what becomes of the plaintext is what is told', async () => {
    const { results } = await deliver(
      [
        broken,
        async (peer) => {
          await hello(peer, 'STARTTLS');
          await peer.answer('550 5.7.1 not in plaintext\r\n');
          await peer.gone();
        },
      ],
      {},
      old(),
    );
    expect(results).toMatchObject([{ status: 'bounced', dsn: '5.7.1', tlsFeature: 'may:none' }]);
  });

  test('never after plaintext that was injected ahead of the handshake', async () => {
    const { results, connections } = await deliver(
      [
        async (peer) => {
          await hello(peer, 'STARTTLS');
          await peer.answer('220 go\r\n250-peer.example\r\n250 AUTH PLAIN\r\n');
          await peer.gone();
        },
        plain,
      ],
      {},
      old(),
    );
    expect(results).toMatchObject([
      { ...failed, reply: expect.stringMatching(/bytes of plaintext ahead of the TLS handshake$/) },
    ]);
    expect(connections).toBe(1);
  });
});

describe('the handshake fails at encrypt', () => {
  test('never plaintext, however old the message is', async () => {
    const { results, connections } = await deliver([broken, plain], encrypt, old());
    expect(results).toMatchObject([{ ...failed, tlsFeature: 'encrypt?' }]);
    expect(connections).toBe(1);
  });

  test('the next host is tried, and the reason is logged', async () => {
    const { results, lines } = await deliver([() => expect.unreachable()], encrypt, {
      queueId: 'Q7',
      nexthop: await twoHosts(
        [broken],
        [
          async (peer) => {
            await inTls(peer);
            await ehlo(peer);
            await acceptMail(peer);
          },
        ],
      ),
    });
    expect(results).toMatchObject([{ status: 'sent', tlsFeature: 'encrypt' }]);
    expect(lines.matching(/^Q7: /)).toEqual([
      'Q7: Cannot start TLS: handshake failure',
      expect.stringMatching(/^Q7: to=<b@example\.com>, .*status=sent/),
    ]);
  });
});

describe('the connection breaks after the handshake', () => {
  const lost: Script = async (peer) => {
    await inTls(peer);
    await peer.hear();
    peer.reset();
  };
  const silent: Script = async (peer) => {
    await inTls(peer);
    await peer.gone();
  };

  test('at may, a message that has just arrived is deferred', async () => {
    const { results, connections } = await deliver([lost, plain]);
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.4.2', tlsFeature: 'may' }]);
    expect(connections).toBe(1);
  });

  test.each([
    ['is lost', lost],
    ['times out', silent],
  ])('at may, an old message goes in plaintext when it %s', async (_, script) => {
    const { results, connections } = await deliver([script, plain], { heloTimeout: 1000 }, old());
    expect(results).toMatchObject([sentPlain]);
    expect(connections).toBe(2);
  });

  test('at encrypt, never', async () => {
    const { results, connections } = await deliver([lost, plain], encrypt, old());
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.4.2', tlsFeature: 'encrypt' }]);
    expect(connections).toBe(1);
  });

  test('only recipients that remain go in plaintext', async () => {
    let again = '';
    const { results } = await deliver(
      [
        async (peer) => {
          await inTls(peer);
          await ehlo(peer);
          await peer.answer('250 2.1.0 Ok\r\n');
          await peer.answer('550 5.1.1 unknown\r\n');
          await peer.hear();
          peer.reset();
        },
        async (peer) => {
          await plain(peer);
          again = peer.heard;
        },
      ],
      {},
      { ...old(), recipients: ['b@example.com', 'c@example.com'] },
    );
    expect(results).toMatchObject([
      { status: 'bounced', dsn: '5.1.1', tlsFeature: 'may' },
      sentPlain,
    ]);
    expect(again.match(/^RCPT.*$/gm)).toEqual(['RCPT TO:<c@example.com>']);
  });

  const takenPerhaps: Script = async (peer) => {
    await inTls(peer);
    await ehlo(peer);
    await peer.answer('250 2.1.0 Ok\r\n');
    await peer.answer('250 2.1.5 Ok\r\n');
    await peer.answer('354 go\r\n');
    await peer.hearMessage();
    peer.reset();
  };

  test('never when the server may have taken the message', async () => {
    const { results, connections } = await deliver([takenPerhaps, plain], {}, old());
    expect(results).toMatchObject([
      { dsn: '4.4.2', reply: expect.stringMatching(/message may be sent more than once$/) },
    ]);
    expect(connections).toBe(1);
  });

  test('never with a stream that was begun', async () => {
    async function* message(): AsyncGenerator<string> {
      yield 'hello\n';
      yield* Array.from({ length: 500 }, () => 'x'.repeat(60_000));
    }
    const { results, connections } = await deliver(
      [
        async (peer) => {
          await inTls(peer);
          await ehlo(peer);
          await peer.answer('250 2.1.0 Ok\r\n');
          await peer.answer('250 2.1.5 Ok\r\n');
          await peer.answer('354 go\r\n');
          await peer.hear();
          peer.reset();
        },
        plain,
      ],
      {},
      { ...old(), message: message() },
    );
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.4.2', tlsFeature: 'may' }]);
    expect(connections).toBe(1);
  });

  test('a refusal in TLS is no reason for plaintext', async () => {
    const { results, connections } = await deliver(
      [
        async (peer) => {
          await inTls(peer);
          await ehlo(peer);
          await peer.answer('450 4.7.0 later\r\n');
          await peer.gone();
        },
        plain,
      ],
      {},
      old(),
    );
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.7.0', tlsFeature: 'may' }]);
    expect(connections).toBe(1);
  });
});

/** Next hops on two ports; without scripts for the second one it must not be asked. */
async function twoHosts(
  first: readonly Script[],
  second: readonly Script[] = [() => expect.unreachable()],
): Promise<readonly string[]> {
  return [(await scriptedServer(...first)).nexthop, (await scriptedServer(...second)).nexthop];
}
