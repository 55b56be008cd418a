/** The smtp engine against servers that misbehave: a result for each recipient, never an exception. */
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
  const steps: readonly (readonly [string, string, Script])[] = [
    ['receiving the initial server greeting', 'may?', () => undefined],
    ['receiving the initial server greeting', 'may?', (peer) => peer.say('220-half a gree')],
    [
      'performing the EHLO handshake',
      'may?',
      async (peer) => {
        peer.say('220 x\r\n');
        await peer.hear();
      },
    ],
    [
      'performing the HELO handshake',
      'may?',
      async (peer) => {
        peer.say('220 x\r\n');
        await peer.answer('502 no\r\n');
        await peer.hear();
      },
    ],
    [
      'receiving the STARTTLS response',
      'may?',
      async (peer) => {
        await hello(peer, 'STARTTLS');
        await peer.hear();
      },
    ],
    [
      'sending MAIL FROM',
      'may:none',
      async (peer) => {
        await hello(peer);
        await peer.hear();
      },
    ],
    [
      'sending RCPT TO',
      'may:none',
      async (peer) => {
        await hello(peer);
        await envelope(peer, 1);
        await peer.hear();
      },
    ],
    [
      'sending DATA command',
      'may:none',
      async (peer) => {
        await hello(peer, 'PIPELINING');
        await envelope(peer, 2);
        await peer.hear();
      },
    ],
    [
      'sending end of data -- message may be sent more than once',
      'may:none',
      async (peer) => {
        await hello(peer);
        await toContent(peer);
        await peer.hearMessage();
      },
    ],
  ];

  describe.each([
    ['closed', (peer: ScriptedPeer) => peer.end()],
    ['reset', (peer: ScriptedPeer) => peer.reset()],
  ])('%s', (_, close) => {
    test.each(steps)('while %s', async (where, tlsFeature, script) => {
      const { results } = await deliver([
        async (peer) => {
          await script(peer);
          close(peer);
        },
      ]);
      expect(results).toMatchObject([
        {
          status: 'deferred',
          dsn: '4.4.2',
          reply: `lost connection with ${host} while ${where}`,
          tlsFeature,
        },
      ]);
    });
  });

  test('in the middle of the content', async () => {
    const { results } = await deliver(
      [
        async (peer) => {
          await hello(peer);
          await toContent(peer);
          await peer.hear();
          peer.reset();
        },
      ],
      {},
      { message: 'line\n'.repeat(10_000_000) },
    );
    expect(results).toMatchObject([
      { dsn: '4.4.2', reply: `lost connection with ${host} while sending message body` },
    ]);
  });

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

describe('a server that says nothing', () => {
  test('times out', async () => {
    const { results } = await deliver([(peer) => peer.gone()], { heloTimeout: 1000 });
    expect(results).toMatchObject([
      {
        dsn: '4.4.2',
        reply: `conversation with ${host} timed out while receiving the initial server greeting`,
      },
    ]);
  });

  test('times out at the end of the message', async () => {
    const { results } = await deliver(
      [
        async (peer) => {
          await hello(peer);
          await toContent(peer);
          await peer.gone();
        },
      ],
      { dataDoneTimeout: 1000 },
    );
    expect(results).toMatchObject([
      {
        dsn: '4.4.2',
        reply: `conversation with ${host} timed out while sending end of data -- message may be sent more than once`,
      },
    ]);
  });

  test('times out in the handshake', async () => {
    const { results, lines } = await deliver(
      [
        async (peer) => {
          await hello(peer, 'STARTTLS');
          await peer.answer('220 go\r\n');
          await peer.gone();
        },
      ],
      { starttlsTimeout: 1000 },
    );
    expect(results).toMatchObject([
      { dsn: '4.7.5', reply: 'Cannot start TLS: handshake failure', tlsFeature: 'may?' },
    ]);
    expect(lines.all[0]).toMatch(
      /^SSL_connect error to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: Connection timed out$/,
    );
  });
});

describe('a server that talks out of turn', () => {
  const protocol = (reply: string) => [
    { status: 'deferred', dsn: '4.5.0', reply: `Protocol error: host ${host} ${reply}` },
  ];

  const scripts: readonly (readonly [string, string | RegExp, Script])[] = [
    [
      'a reply ahead of EHLO',
      'sent a reply ahead of the command',
      (peer) => peer.say('220 x\r\n250-x\r\n250 STARTTLS\r\n'),
    ],
    [
      'a reply ahead of MAIL',
      'sent a reply to nothing: 250 2.1.0 Ok',
      async (peer) => {
        peer.say('220 x\r\n');
        await peer.answer('250 x\r\n250 2.1.0 Ok\r\n');
      },
    ],
    [
      'a reply to the message ahead of the message',
      'sent a reply ahead of the command',
      async (peer) => {
        await hello(peer);
        await envelope(peer, 2);
        await peer.answer('354 go\r\n250 2.0.0 Ok: queued as FAKE\r\n');
      },
    ],
    ['no reply at all', 'sent no reply: hello, client', (peer) => peer.say('hello, client\r\n')],
    [
      'a line that is too long',
      'sent a line that is too long',
      (peer) => peer.say(`220 ${'x'.repeat(5000)}\r\n`),
    ],
    ['a reply without end', /sent no reply: 220-x/, (peer) => peer.say('220-x\r\n'.repeat(1000))],
    ['two codes in one reply', 'sent no reply: 221 y', (peer) => peer.say('220-x\r\n221 y\r\n')],
  ];

  test.each(scripts)('%s', async (_, reply, script) => {
    const { results } = await deliver([script]);
    expect(results).toHaveLength(1);
    if (typeof reply === 'string') {
      expect(results).toMatchObject(protocol(reply));
    } else {
      expect(results).toMatchObject([{ dsn: '4.5.0', reply: expect.stringMatching(reply) }]);
    }
  });

  test('control characters of a server do not reach the log', async () => {
    const { lines } = await deliver([
      async (peer) => {
        peer.say('554 \x1b[31mred\x07 alert\r\n');
        await peer.gone();
      },
    ]);
    expect(lines.all[0]).toContain('554 ?[31mred? alert');
  });

  test('a refusal while the content is on its way counts', async () => {
    const { results } = await deliver(
      [
        async (peer) => {
          await hello(peer);
          await toContent(peer);
          await peer.hear();
          peer.say('552 5.3.4 Too big\r\n');
          await peer.gone();
        },
      ],
      {},
      { message: 'line\n'.repeat(10_000_000) },
    );
    expect(results).toMatchObject([
      {
        status: 'bounced',
        dsn: '5.3.4',
        reply: `host ${host} said: 552 5.3.4 Too big (in reply to end of DATA command)`,
      },
    ]);
  });

  test('an acceptance while the content is on its way does not', async () => {
    const { results } = await deliver(
      [
        async (peer) => {
          await hello(peer);
          await toContent(peer);
          await peer.hear();
          peer.say('250 2.0.0 Ok: queued as FAKE\r\n');
          await peer.gone();
        },
      ],
      {},
      { message: 'line\n'.repeat(10_000_000) },
    );
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.5.0' }]);
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
  const refusal = (status: string, dsn: string, reply: string) => [{ status, dsn, reply }];

  test('a greeting of 5xx is worth another try', async () => {
    const { results } = await deliver([
      async (peer) => {
        peer.say('554 5.7.1 go away\r\n');
        await peer.gone();
      },
    ]);
    expect(results).toMatchObject(
      refusal('deferred', '4.7.1', `host ${host} refused to talk to me: 554 5.7.1 go away`),
    );
  });

  test('EHLO and HELO', async () => {
    const { results } = await deliver([
      async (peer) => {
        peer.say('220 x\r\n');
        await peer.answer('502 5.5.1 no EHLO\r\n');
        await peer.answer('550 5.7.1 no HELO either\r\n');
        await peer.gone();
      },
    ]);
    expect(results).toMatchObject(
      refusal('bounced', '5.7.1', `host ${host} refused to talk to me: 550 5.7.1 no HELO either`),
    );
  });

  test('EHLO alone: HELO does', async () => {
    const { results } = await deliver([
      async (peer) => {
        peer.say('220 x\r\n');
        await peer.answer('502 5.5.1 no EHLO\r\n');
        await peer.answer('250 peer.example\r\n');
        await acceptMail(peer);
      },
    ]);
    expect(results).toMatchObject([{ status: 'sent', tlsFeature: 'may:none' }]);
  });

  test('a 421 in the envelope ends it for all', async () => {
    const { results } = await deliver(
      [
        async (peer) => {
          await hello(peer, 'PIPELINING');
          await envelope(peer, 2);
          await peer.answer('421 4.3.2 going down\r\n');
          await peer.gone();
        },
      ],
      {},
      { recipients: ['b@example.com', 'c@example.com', 'd@example.com'] },
    );
    const reply = `host ${host} said: 421 4.3.2 going down (in reply to RCPT TO command)`;
    expect(results).toMatchObject([
      { status: 'deferred', dsn: '4.3.2', reply },
      { status: 'deferred', dsn: '4.3.2', reply },
      { status: 'deferred', dsn: '4.3.2', reply },
    ]);
  });

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

  test('a code that fits nothing breaks the protocol', async () => {
    const { results } = await deliver([
      async (peer) => {
        await hello(peer);
        await envelope(peer, 2);
        await peer.answer('250 2.0.0 what\r\n');
        await peer.gone();
      },
    ]);
    expect(results).toMatchObject(
      refusal(
        'deferred',
        '4.5.0',
        `Protocol error: host ${host} said: 250 2.0.0 what (in reply to DATA command)`,
      ),
    );
  });
});

describe('STARTTLS that is refused', () => {
  const refusing: Script = async (peer) => {
    await hello(peer, 'STARTTLS');
    await peer.answer('454 4.7.0 TLS not available due to local problem\r\n');
    await acceptMail(peer);
  };

  test('at may: plaintext in the same session', async () => {
    const { results, connections } = await deliver([refusing]);
    expect(results).toMatchObject([{ status: 'sent', tlsFeature: 'may:none' }]);
    expect(connections).toBe(1);
  });

  test("at encrypt: the server's own code", async () => {
    const { results } = await deliver([refusing], { tls: { securityLevel: 'encrypt' } });
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

describe('a handshake that fails', () => {
  const broken: Script = async (peer) => {
    await hello(peer, 'STARTTLS');
    await peer.answer('220 go\r\n');
    peer.end();
  };
  const plain: Script = async (peer) => {
    await hello(peer, 'STARTTLS');
    await acceptMail(peer);
  };

  test('at may, message new: deferred, no plaintext', async () => {
    const { results, connections, lines } = await deliver([broken, plain]);
    expect(results).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.5',
        reply: 'Cannot start TLS: handshake failure',
        relay: expect.stringMatching(/^127\.0\.0\.1\[127\.0\.0\.1\]:\d+$/),
        tlsFeature: 'may?',
      },
    ]);
    expect(connections).toBe(1);
    expect(lines.all).toEqual([
      expect.stringMatching(
        /^SSL_connect error to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: lost connection$/,
      ),
      expect.stringMatching(
        /tls=may\?, dsn=4\.7\.5, status=deferred \(Cannot start TLS: handshake failure\)$/,
      ),
    ]);
  });

  test('at may, message older than minimal_backoff_time: plaintext to the same address', async () => {
    const { results, connections } = await deliver(
      [broken, plain],
      {},
      { arrivalTime: oldEnough() },
    );
    expect(results).toMatchObject([{ status: 'sent', tlsFeature: 'may:none' }]);
    expect(connections).toBe(2);
  });

  test('minimal_backoff_time is what counts', async () => {
    const { results } = await deliver(
      [broken, plain],
      { minimalBackoffTime: 400_000 },
      { arrivalTime: oldEnough() },
    );
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.7.5' }]);
  });

  test('at encrypt: never plaintext, however old the message is', async () => {
    const { results, connections } = await deliver(
      [broken, plain],
      { tls: { securityLevel: 'encrypt' } },
      { arrivalTime: oldEnough() },
    );
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.7.5', tlsFeature: 'encrypt?' }]);
    expect(connections).toBe(1);
  });

  test('the next address is tried, and the reason is logged', async () => {
    const { results, connections, lines } = await deliver(
      [
        broken,
        async (peer) => {
          await hello(peer, 'STARTTLS');
          await peer.answer('220 go\r\n');
          await peer.secure();
          await ehlo(peer);
          await acceptMail(peer);
        },
      ],
      { lookup: async () => ['127.0.0.1', '127.0.0.1'] },
      { queueId: 'Q7' },
      'mx.example.net',
    );
    expect(connections).toBe(2);
    expect(results).toMatchObject([{ status: 'sent', tlsFeature: 'may' }]);
    expect(lines.matching(/^Q7: /)).toEqual([
      'Q7: Cannot start TLS: handshake failure',
      expect.stringMatching(/^Q7: to=<b@example\.com>, relay=mx\.example\.net\[127\.0\.0\.1\]/),
    ]);
  });
});

describe('a connection that is lost after the handshake', () => {
  const lost: Script = async (peer) => {
    await hello(peer, 'STARTTLS');
    await peer.answer('220 go\r\n');
    await peer.secure();
    await peer.hear();
    peer.reset();
  };
  const plain: Script = async (peer) => {
    await hello(peer);
    await acceptMail(peer);
  };

  test('at may, message new: deferred', async () => {
    const { results, connections } = await deliver([lost, plain]);
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.4.2', tlsFeature: 'may' }]);
    expect(connections).toBe(1);
  });

  test('at may, message old: plaintext', async () => {
    const { results, connections } = await deliver([lost, plain], {}, { arrivalTime: oldEnough() });
    expect(results).toMatchObject([{ status: 'sent', tlsFeature: 'may:none' }]);
    expect(connections).toBe(2);
  });

  test('a stream that was begun is not sent again', async () => {
    async function* message(): AsyncGenerator<string> {
      yield 'hello\n';
    }
    const { results, connections } = await deliver(
      [
        async (peer) => {
          await hello(peer, 'STARTTLS');
          await peer.answer('220 go\r\n');
          await peer.secure();
          await ehlo(peer);
          await toContent(peer);
          await peer.hearMessage();
          peer.reset();
        },
        plain,
      ],
      {},
      { arrivalTime: oldEnough(), message: message() },
    );
    expect(results).toMatchObject([{ status: 'deferred', dsn: '4.4.2' }]);
    expect(connections).toBe(1);
  });
});
