/** Everything at once before the first line of a session: admission, server names, their notices, and the trace. */
import { describe, expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { askFor, fingerprintOf, type SniClientProps } from '../helpers/sni-client.js';
import { secureFromStart } from '../helpers/tls-client.js';

const fallback = certificate('ecdsa');
const hit = certificate('ed25519');

function start(wrappermode: boolean, more: object = {}): Promise<TestServer> {
  return startSmtpd(
    {
      tls: {
        securityLevel: 'may',
        chainFiles: [fallback.chainFile],
        loglevel: '1, trace',
        traceRateLimit: 0,
        serverSniMaps: [`inline:{ {hit.example = ${hit.chainFile}} }`],
      },
      ...{ clientEventLimitExceptions: [], clientConnectionCountLimit: 2, ...more },
    },
    { wrappermode },
  );
}

/** The log of one client, with what the trace says about hellos and alerts alone. */
async function visit(
  { port, lines }: TestServer,
  props: Omit<SniClientProps, 'port'>,
): Promise<{ readonly certificate: string | null; readonly log: readonly string[] }> {
  const before = lines.all.length;
  const { certificate: shown } = await askFor({ port, ...props });
  await lines.line(/^disconnect/, before);
  const log = lines.all
    .slice(before)
    .filter(
      (line) => !/: trace: /.test(line) || /ClientHello|ServerHello|sent alert fatal/.test(line),
    )
    .map((line) => line.replace(/ \(\d+\), \d+ bytes$/, ''));
  return { certificate: shown, log };
}

const client = 'unknown[127.0.0.1]';
const traced = (...texts: readonly string[]): readonly string[] =>
  texts.map((text) => `${client}: trace: ${text}`);

describe('wrappermode', () => {
  test('a name that is found: connect, trace, summary', async () => {
    const { certificate: shown, log } = await visit(await start(true), {
      ...{ name: 'hit.example', wrappermode: true },
    });
    expect(shown).toBe(fingerprintOf(hit.certFile));
    expect(log).toEqual([
      `connect from ${client}`,
      ...traced('received ClientHello', 'sent ServerHello'),
      expect.stringContaining(`from ${client} to hit.example: TLSv1.3 `),
      `disconnect from ${client} quit=1 commands=1`,
    ]);
  });

  test('one that is not, and one that is none: the notice is between trace and outcome', async () => {
    const server = await start(true);
    const missed = await visit(server, { name: 'miss.example', wrappermode: true });
    expect(missed.certificate).toBe(fingerprintOf(fallback.certFile));
    expect(missed.log.slice(1, 5)).toEqual([
      ...traced('received ClientHello', 'sent ServerHello'),
      `TLS SNI miss.example from ${client} not matched, using default chain`,
      expect.stringContaining(`from ${client} to miss.example: `),
    ]);
    const invalid = await visit(server, { name: 'a b.example', wrappermode: true });
    expect(invalid.log.slice(3, 5)).toEqual([
      `warning: TLS SNI from ${client} is invalid: a b.example`,
      expect.stringContaining(`from ${client}: `),
    ]);
  });

  test('a handshake that fails has all of it, and leaves its place to others', async () => {
    const server = await start(true);
    for (let i = 0; i < 3; i++) {
      const failed = await visit(server, {
        ...{ name: 'miss.example', wrappermode: true },
        args: ['-tls1_2', '-cipher', 'AES128-SHA'], // which takes an RSA key
      });
      expect(failed.certificate).toBeNull();
      expect(failed.log).toEqual([
        `connect from ${client}`,
        ...traced('received ClientHello', 'sent alert fatal: handshake failure (40)'),
        `TLS SNI miss.example from ${client} not matched, using default chain`,
        `SSL_accept error from ${client}: -1`,
        expect.stringMatching(/^warning: TLS library problem: error:.*:no shared cipher:/),
        `NOQUEUE: lost connection after CONNECT from ${client}`,
        `disconnect from ${client} commands=0/0`,
      ]);
    }
  });

  test('who is not admitted is neither traced nor asked for a name', async () => {
    const server = await start(true);
    const seated = [await secureFromStart(server.port), await secureFromStart(server.port)];
    for (const one of seated) {
      await one.reply();
    }
    const before = server.lines.all.length;
    const third = await RawClient.connect(server.port);
    expect(await third.rest()).toBe('');
    third.end();
    expect(server.lines.all.slice(before)).toEqual([
      `warning: Connection concurrency limit exceeded: 3 from ${client} for service submissions`,
    ]);
    seated[0]?.secured.destroy();
    await server.lines.line(/^disconnect/, before);
    const { certificate: shown } = await visit(server, { name: 'hit.example', wrappermode: true });
    expect(shown).toBe(fingerprintOf(hit.certFile));
  });
});

test('STARTTLS: a handshake that fails is told in the same order', async () => {
  const { certificate: shown, log } = await visit(await start(false), {
    name: 'miss.example',
    args: ['-tls1_2', '-cipher', 'AES128-SHA'],
  });
  expect(shown).toBeNull();
  expect(log).toEqual([
    `connect from ${client}`,
    ...traced('received ClientHello', 'sent alert fatal: handshake failure (40)'),
    `TLS SNI miss.example from ${client} not matched, using default chain`,
    `SSL_accept error from ${client}: -1`,
    expect.stringMatching(/^warning: TLS library problem: error:.*:no shared cipher:/),
    `NOQUEUE: lost connection after STARTTLS from ${client}`,
    `disconnect from ${client} ehlo=1 starttls=0/1 commands=1/2`,
  ]);
});

test('loglevel 4 says nothing more of a handshake that fails', async () => {
  for (const wrappermode of [false, true]) {
    const server = await start(wrappermode, {
      tls: { securityLevel: 'may', chainFiles: [fallback.chainFile], loglevel: 4 },
    });
    const args = ['-tls1_2', '-cipher', 'AES128-SHA'];
    const { log } = await visit(server, { name: null, wrappermode, args });
    expect(log.filter((line) => line.includes('trace'))).toEqual([]);
    expect(log).toContain(`SSL_accept error from ${client}: -1`);
  }
});
