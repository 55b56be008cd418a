/**
 * What has been published against clients that begin in plaintext and go on in TLS (CVE-2011-0411 seen from the client, CVE-2009-3555, "Why
 * TLS Is Better Without STARTTLS", USENIX Security 2021), one test for each trick. Somebody between us and the server plays the server here:
 * what it says in plaintext must not count in TLS, must not take the place of an answer, and must not bring mail or passwords into plaintext
 * where TLS is demanded. What every fault at every step comes to is in `smtp-opening.test.ts`; what may go in plaintext in `smtp-fallback.test.ts`.
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

const secret = 'the content of the message';
const host = '127.0.0.1[127.0.0.1]';
const encrypt: SmtpOptions = { tls: { securityLevel: 'encrypt' } };

interface Outcome {
  readonly result: RecipientResult;
  /** Connections that the client made. */
  readonly connections: number;
  /** All that the server heard, in whatever way. */
  readonly heard: string;
}

/** One message; old enough that level `may` would give up TLS if it ever did. */
async function deliver(
  script: (peer: ScriptedPeer) => Promise<void>,
  options: SmtpOptions = {},
  request: Partial<DeliveryRequest> = {},
): Promise<Outcome> {
  const peers: ScriptedPeer[] = [];
  const server = await scriptedServer(async (peer) => {
    peers.push(peer);
    await script(peer);
  });
  const smtp = new Smtp({
    myhostname: 'client.example',
    logger: new Lines(),
    ...{ heloTimeout: 2000, starttlsTimeout: 2000, mailTimeout: 2000, quitTimeout: 2000 },
    dataDoneTimeout: 2000,
    ...options,
  });
  const report = await smtp.deliver({
    sender: 'a@example.org',
    recipients: ['b@example.com'],
    message: `${secret}\n`,
    nexthop: options.lookup === undefined ? server.nexthop : `[mx.example.net]:${server.port}`,
    arrivalTime: Date.now() - 86_400_000,
    ...request,
  });
  await server.done;
  const [result] = report.recipients;
  if (result === undefined) {
    throw new Error('no result');
  }
  const heard = peers.map((peer) => peer.heard).join('');
  return { result, connections: server.connections, heard };
}

/** Nothing that is worth protecting was said. */
function expectNothingSaid({ heard }: Outcome): void {
  expect(heard).not.toMatch(/MAIL|AUTH|DATA|content/);
}

const bothLevels = [
  ['may', {}],
  ['encrypt', encrypt],
] as const;

describe.each(bothLevels)('response injection at %s', (_, options) => {
  const injected = (bytes: number): string =>
    `Cannot start TLS: the server sent ${bytes} bytes of plaintext ahead of the TLS handshake`;

  test.each([
    ['an EHLO reply', '250-peer.example\r\n250 AUTH PLAIN\r\n'],
    ['the replies of a whole transaction', '250 x\r\n250 Ok\r\n250 Ok\r\n354 go\r\n250 Ok\r\n'],
    ['the beginning of a reply, to be ended in TLS', '250-AUTH PLAIN\r\n'],
    ['the beginning of a line, to be ended in TLS', '250-AU'],
    ['a single byte', '2'],
    ['line ends', '\r\n'],
  ])('%s behind the 220, in the same segment', async (_name, plaintext) => {
    const outcome = await deliver(async (peer) => {
      await hello(peer, 'STARTTLS');
      await peer.answer(`220 go\r\n${plaintext}`);
      await peer.gone();
    }, options);
    expect(outcome.result).toMatchObject({
      ...{ status: 'deferred', dsn: '4.7.5', reply: injected(plaintext.length) },
      tlsFeature: options === encrypt ? 'encrypt?' : 'may?',
    });
    expectNothingSaid(outcome);
    expect(outcome.connections).toBe(1); // nor is it a reason for plaintext
  });

  test('an EHLO reply behind the 220, in a segment of its own, is no TLS record', async () => {
    let connection = 0;
    const outcome = await deliver(
      async (peer) => {
        connection++;
        await hello(peer, 'STARTTLS');
        await peer.answer('220 go\r\n');
        await peer.hearBytes(1); // the ClientHello is on its way
        peer.say('250-peer.example\r\n250 AUTH PLAIN\r\n');
        await peer.gone();
      },
      options,
      { arrivalTime: Date.now() },
    );
    expect(outcome.result).toMatchObject({
      ...{ status: 'deferred', dsn: '4.7.5', reply: 'Cannot start TLS: handshake failure' },
    });
    expect(connection).toBe(1);
    expectNothingSaid(outcome);
  });
});

describe('early replies', () => {
  const early = `Protocol error: host ${host} sent a reply ahead of the command`;

  test.each([
    ['to EHLO, with the greeting', '220 x\r\n250-x\r\n250 AUTH PLAIN\r\n', ''],
    ['to STARTTLS, with the greeting', '220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n', ''],
    ['to STARTTLS, with the reply to EHLO', '220 x\r\n', '250-x\r\n250 STARTTLS\r\n220 go\r\n'],
    ['a refusal of STARTTLS, with the reply to EHLO', '220 x\r\n', '250 STARTTLS\r\n454 no\r\n'],
    ['half a reply to STARTTLS', '220 x\r\n', '250-x\r\n250 STARTTLS\r\n22'],
  ])('%s', async (_, greeting, answer) => {
    for (const [, options] of bothLevels) {
      const outcome = await deliver(async (peer) => {
        peer.say(greeting);
        if (answer !== '') {
          await peer.answer(answer.includes('250-') ? answer : `250-x\r\n${answer}`);
        }
        await peer.gone();
      }, options);
      expect(outcome.result).toMatchObject({ status: 'deferred', dsn: '4.5.0', reply: early });
      expectNothingSaid(outcome);
    }
  });

  // CVE-2009-3555: somebody has asked already, in a session of his own that ours was spliced to (smtp_tls_block_early_mail_reply).
  test.each([
    ['MAIL', '250 2.1.0 Ok\r\n'],
    ['a whole transaction', '250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n250 2.0.0 Ok\r\n'],
  ])('to %s, in TLS, with the reply to EHLO', async (_, replies) => {
    for (const keywords of ['', '250-PIPELINING\r\n']) {
      const outcome = await deliver(async (peer) => {
        await hello(peer, 'STARTTLS');
        await peer.answer('220 go\r\n');
        await peer.secure();
        await peer.answer(`250-x\r\n${keywords}250 DSN\r\n${replies}`);
        await peer.gone();
      }, encrypt);
      expect(outcome.result).toMatchObject({
        ...{ status: 'deferred', dsn: '4.5.0' },
        reply: `Protocol error: host ${host} sent a reply to nothing: 250 2.1.0 Ok`,
      });
      expect(outcome.heard).not.toMatch(/MAIL|content/);
    }
  });
});

describe('what was said in plaintext is forgotten', () => {
  /** Two EHLOs, before and in TLS; all that was said in TLS. */
  async function twoHellos(
    before: readonly string[],
    after: readonly string[],
    options: SmtpOptions = {},
    request: Partial<DeliveryRequest> = {},
  ): Promise<Outcome & { readonly inTls: string }> {
    let inTls = '';
    const outcome = await deliver(
      async (peer) => {
        await hello(peer, 'STARTTLS', ...before);
        await peer.answer('220 go\r\n');
        await peer.secure();
        const from = peer.heard.length;
        await ehlo(peer, ...after);
        await acceptMail(peer);
        inTls = peer.heard.slice(from);
      },
      options,
      request,
    );
    return { ...outcome, inTls };
  }

  test('keywords that are offered in plaintext alone are not used', async () => {
    const keywords = ['SIZE 1000', '8BITMIME', 'DSN', 'CHUNKING', 'PIPELINING'];
    const request = { bdat: true, ret: 'HDRS', envid: 'x' } as const;
    const { result, inTls } = await twoHellos(keywords, [], {}, request);
    expect(result.status).toBe('sent');
    expect(inTls).toMatch(
      /^EHLO client\.example\r\nMAIL FROM:<a@example\.org>\r\nRCPT TO:<b@example\.com>\r\nDATA\r\n/,
    );
  });

  test('a limit of SIZE in plaintext does not bounce the message', async () => {
    const { result } = await twoHellos(['SIZE 1'], ['SIZE 1000']);
    expect(result.status).toBe('sent');
  });

  test('AUTH that is offered in plaintext alone gets no password', async () => {
    const login: SmtpOptions = {
      saslAuthEnable: true,
      saslSecurityOptions: [],
      credentials: { username: 'user', password: 'secret' },
    };
    const { result, inTls } = await twoHellos(['AUTH PLAIN LOGIN'], [], login);
    expect(result.status).toBe('sent');
    expect(inTls).not.toContain('AUTH');
  });

  test('STARTTLS that is offered in TLS is not said again', async () => {
    const { result, inTls } = await twoHellos([], ['STARTTLS']);
    expect(result).toMatchObject({ status: 'sent', tlsFeature: 'may' });
    expect(inTls).not.toContain('STARTTLS');
  });
});

describe('PREAUTH-like tricks: a state in which STARTTLS has no place', () => {
  const notOffered = {
    ...{ status: 'deferred', dsn: '4.7.4', tlsFeature: '!encrypt' },
    reply: `TLS is required, but was not offered by host ${host}`,
  };

  test.each([
    ['a greeting without ESMTP, where it counts', { ...encrypt, alwaysSendEhlo: false }, '220 x'],
    ['smtp_never_send_ehlo', { ...encrypt, neverSendEhlo: true }, '220 x ESMTP'],
  ] as const)('%s: HELO, and no mail without TLS', async (_, options, greeting) => {
    const outcome = await deliver(async (peer) => {
      peer.say(`${greeting}\r\n`);
      await peer.answer('250 x\r\n');
      await peer.gone();
    }, options);
    expect(outcome.result).toMatchObject(notOffered);
    expect(outcome.heard).toMatch(/^HELO/);
    expectNothingSaid(outcome);
  });

  test('EHLO that is refused: HELO, and no mail without TLS', async () => {
    const outcome = await deliver(async (peer) => {
      peer.say('220 x ESMTP\r\n');
      await peer.answer('502 5.5.1 what?\r\n');
      await peer.answer('250-x\r\n250 STARTTLS\r\n'); // HELO has no keywords
      await peer.gone();
    }, encrypt);
    expect(outcome.result).toMatchObject(notOffered);
    expectNothingSaid(outcome);
  });

  test.each([
    ['already authenticated', '235 2.7.0 Authentication successful\r\n'],
    ['already in TLS', '220 2.0.0 Ready to start TLS\r\n'],
    ['already at DATA', '354 go\r\n'],
  ])('%s, with the greeting', async (_, claim) => {
    const outcome = await deliver(async (peer) => {
      peer.say(`220 x ESMTP\r\n${claim}`);
      await peer.gone();
    }, encrypt);
    expect(outcome.result).toMatchObject({
      status: 'deferred',
      reply: `Protocol error: host ${host} sent a reply ahead of the command`,
    });
    expectNothingSaid(outcome);
  });

  test.each([
    ['503 5.5.1 TLS is active already', 'bounced', '5.5.1'],
    ['554 5.5.1 Error: TLS already active', 'bounced', '5.5.1'],
    ['235 2.7.0 you are who you are', 'deferred', '4.7.5'],
  ])('STARTTLS answered with %s: no mail without TLS', async (reply, status, dsn) => {
    const outcome = await deliver(
      async (peer) => {
        await hello(peer, 'STARTTLS', 'AUTH PLAIN');
        await peer.answer(`${reply}\r\n`);
        if (reply.startsWith('2')) {
          await peer.hearBytes(1); // any 2xx begins the handshake, and nothing else follows
          peer.end();
        }
        await peer.gone();
      },
      encrypt,
      { arrivalTime: Date.now() },
    );
    expect(outcome.result).toMatchObject({ status, dsn });
    expectNothingSaid(outcome);
  });
});

describe('downgrade', () => {
  const refusals = ['454 4.7.0 TLS not available', '502 5.5.1 not implemented', '421 4.3.2 down'];

  test.each(refusals)('STARTTLS refused with "%s": at encrypt no mail', async (reply) => {
    const outcome = await deliver(async (peer) => {
      await hello(peer, 'STARTTLS', 'AUTH PLAIN');
      await peer.answer(`${reply}\r\n`);
      await peer.gone();
    }, encrypt);
    expect(outcome.result).toMatchObject({
      reply: `TLS is required, but host ${host} refused to start TLS: ${reply}`,
      tlsFeature: '!encrypt',
    });
    expectNothingSaid(outcome);
  });

  test.each([
    ['refused', ['STARTTLS', 'AUTH PLAIN LOGIN'], '454 4.7.0 TLS not available'],
    ['taken out of the EHLO reply', ['AUTH PLAIN LOGIN'], null],
  ])('STARTTLS %s: at may no password in plaintext', async (_, keywords, reply) => {
    const outcome = await deliver(
      async (peer) => {
        await hello(peer, ...keywords);
        if (reply !== null) {
          await peer.answer(`${reply}\r\n`);
        }
        await peer.gone();
      },
      {
        saslAuthEnable: true,
        saslTlsSecurityOptions: ['noanonymous'], // in plaintext the default counts: noplaintext
        credentials: { username: 'user', password: 'secret' },
      },
    );
    expect(outcome.result).toMatchObject({
      ...{ status: 'deferred', dsn: '4.7.0' },
      reply: `SASL authentication failed; cannot authenticate to server ${host}: no mechanism available`,
    });
    expectNothingSaid(outcome);
  });

  test('STARTTLS that is refused at one address is said at the next all the same', async () => {
    let connection = 0;
    const outcome = await deliver(
      async (peer) => {
        await hello(peer, 'STARTTLS');
        if (connection++ === 0) {
          await peer.answer('454 4.7.0 later\r\n');
          await peer.gone();
          return;
        }
        await peer.answer('220 go\r\n');
        await peer.secure();
        await ehlo(peer);
        await acceptMail(peer);
      },
      { ...encrypt, lookup: async () => ['127.0.0.1', '127.0.0.1'] },
    );
    expect(outcome.result).toMatchObject({ status: 'sent', tlsFeature: 'encrypt' });
    expect(outcome.connections).toBe(2);
  });
});

describe('truncated replies of several lines', () => {
  /** Ends the connection as somebody in between can: in TLS without a close-notify. */
  const cut = (peer: ScriptedPeer): void => peer.reset();

  test.each(bothLevels)(
    'to EHLO, before its last line, at %s: nothing of it counts',
    async (_, options) => {
      const outcome = await deliver(async (peer) => {
        peer.say('220 x ESMTP\r\n');
        await peer.answer('250-x\r\n250-PIPELINING\r\n'); // STARTTLS would have come next
        peer.end();
        await peer.gone();
      }, options);
      expect(outcome.result).toMatchObject({
        ...{ status: 'deferred', dsn: '4.4.2' },
        reply: `lost connection with ${host} while performing the EHLO handshake`,
      });
      expectNothingSaid(outcome);
    },
  );

  test('to STARTTLS: no handshake before its last line', async () => {
    const outcome = await deliver(async (peer) => {
      await hello(peer, 'STARTTLS');
      await peer.answer('220-go\r\n');
      peer.end();
      await peer.gone();
    }, encrypt);
    expect(outcome.result).toMatchObject({
      ...{ status: 'deferred', dsn: '4.4.2' },
      reply: `lost connection with ${host} while receiving the STARTTLS response`,
    });
    expect(outcome.heard).toMatch(/STARTTLS\r\n$/);
  });

  test('to STARTTLS, ended by a line of another code: the last one counts', async () => {
    const outcome = await deliver(async (peer) => {
      await hello(peer, 'STARTTLS');
      await peer.answer('220-go\r\n454 4.7.0 no\r\n');
      await peer.gone();
    }, encrypt);
    expect(outcome.result).toMatchObject({ dsn: '4.7.0', tlsFeature: '!encrypt' });
    expectNothingSaid(outcome);
  });

  test('to EHLO in TLS: nothing of it counts, and no mail follows', async () => {
    const outcome = await deliver(async (peer) => {
      await hello(peer, 'STARTTLS');
      await peer.answer('220 go\r\n');
      await peer.secure();
      await peer.answer('250-x\r\n250-AUTH PLAIN\r\n');
      peer.end();
      await peer.gone();
    }, encrypt);
    expect(outcome.result).toMatchObject({
      ...{ status: 'deferred', dsn: '4.4.2' },
      reply: `lost connection with ${host} while performing the EHLO handshake`,
    });
    expectNothingSaid(outcome);
  });

  test.each([
    ['a close-notify', (peer: ScriptedPeer) => peer.end()],
    ['a reset', cut],
  ])('to the end of the message, with %s: not taken for an acceptance', async (_, end) => {
    const outcome = await deliver(async (peer) => {
      await hello(peer, 'STARTTLS');
      await peer.answer('220 go\r\n');
      await peer.secure();
      await ehlo(peer);
      await peer.answer('250 Ok\r\n');
      await peer.answer('250 Ok\r\n');
      await peer.answer('354 go\r\n');
      await peer.hearMessage();
      peer.say('250-2.0.0 Ok: queued\r\n');
      end(peer);
    }, encrypt);
    expect(outcome.result).toMatchObject({
      ...{ status: 'deferred', dsn: '4.4.2', tlsFeature: 'encrypt' },
      reply: expect.stringContaining(`lost connection with ${host} while sending end of data`),
    });
    expect(outcome.connections).toBe(1); // perhaps it was: nobody else is tried
  });
});

test('a line that is too long does not hide a reply in what is cut off', async () => {
  const outcome = await deliver(async (peer) => {
    await hello(peer, 'STARTTLS');
    await peer.answer(`454 ${'x'.repeat(2044)}220 go\r\n`);
    await peer.gone();
  }, encrypt);
  expect(outcome.result).toMatchObject({ dsn: '4.0.0', tlsFeature: '!encrypt' });
  expectNothingSaid(outcome);
});
