/** AUTH EXTERNAL of the smtpd engine: users by their certificates and raw public keys (RFC 4422 appendix A). */
import { describe, expect, test } from 'vitest';
import type { SmtpdOptions } from '../../lib/server.js';
import type { SmtpdHandlers, SmtpdSession } from '../../lib/smtpd/handlers.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import { enter, pem } from '../helpers/ccert-clients.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';

const self = certificate('ecdsa');
const issued = issuedCertificate();
const invalid = (name: string): string =>
  `535 5.7.8 Error: authentication failed: Invalid authentication mechanism: '${name}'`;
const failed = '535 5.7.8 Error: authentication failed: (reason unavailable)';
const noBase64 = '535 5.7.8 Error: authentication failed: Invalid base64 data in initial response';
const ok = '235 2.7.0 Authentication successful';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

type External = NonNullable<SmtpdHandlers['onAuthExternal']>;

/** A submission service that knows its users by their credentials. */
async function submission(onAuthExternal: External, options: Partial<SmtpdOptions> = {}) {
  const sessions: SmtpdSession[] = [];
  const server = await startSmtpd({
    saslAuthEnable: true,
    onAuthExternal,
    onMail: (session) => {
      sessions.push(session);
    },
    tls: {
      securityLevel: 'encrypt',
      chainFiles: [self.chainFile],
      askCcert: true,
      CAfile: authority().certFile,
    },
    ...options,
  });
  return { ...server, sessions };
}

const onlyTrusted: External = ({ tls }) => tls?.status === 'Trusted';

describe('offered', () => {
  test('to clients with a credential, and to nobody else', async () => {
    const { port } = await submission(onlyTrusted);
    for (const [credential, offered] of [
      [pem(issued), '250-AUTH EXTERNAL'],
      [pem(self), '250-AUTH EXTERNAL'],
    ] as const) {
      expect(await (await enter(port, credential)).command('EHLO x')).toContain(offered);
    }
    const nobody = await enter(port);
    expect(await nobody.command('EHLO x')).not.toContain('AUTH');
    expect(await nobody.command('AUTH EXTERNAL =')).toMatch(/^504 5\.5\.4 /);
  });

  test('beside the others, where there is a callback for them', async () => {
    const { port } = await submission(onlyTrusted, { onAuth: () => false });
    expect(await (await enter(port, pem(issued))).command('EHLO x')).toContain(
      '250-AUTH PLAIN LOGIN EXTERNAL',
    );
    const without = await enter(port);
    expect(await without.command('EHLO x')).toMatch(/250-AUTH PLAIN LOGIN$/m);
    expect(await without.command('AUTH EXTERNAL =')).toBe(invalid('EXTERNAL'));
  });

  test('even where passwords are not wanted', async () => {
    const { port } = await submission(onlyTrusted, {
      onAuth: () => true,
      saslTlsSecurityOptions: ['noplaintext'],
    });
    const client = await enter(port, pem(issued));
    expect(await client.command('EHLO x')).toMatch(/250-AUTH EXTERNAL$/m);
    expect(await client.command(`AUTH PLAIN ${base64('\0u\0p')}`)).toBe(invalid('PLAIN'));
  });

  test('not without the callback, saslAuthEnable, or TLS', async () => {
    const { port } = await submission(onlyTrusted, { saslAuthEnable: false });
    const client = await enter(port, pem(issued));
    expect(await client.command('EHLO x')).not.toContain('AUTH');
    expect(await client.command('AUTH EXTERNAL =')).toBe(
      '503 5.5.1 Error: authentication not enabled',
    );
    const tls = { securityLevel: 'may', chainFiles: [self.chainFile], askCcert: true } as const;
    const passwords = await submission(onlyTrusted, { onAuth: () => true, tls });
    const plain = await RawClient.greeted(passwords.port);
    expect(await plain.command('EHLO x')).toMatch(/250-AUTH PLAIN LOGIN$/m);
    expect(await plain.command('AUTH EXTERNAL =')).toBe(invalid('EXTERNAL'));
    const { port: other } = await startSmtpd({ saslAuthEnable: true, onAuth: () => true, tls });
    expect(await (await enter(other, pem(issued))).command('EHLO x')).not.toContain('EXTERNAL');
  });
});

describe('the exchange', () => {
  test.each([
    [['AUTH EXTERNAL ='], ''],
    [[`auth external ${base64('list')}`], 'list'],
    [['AUTH EXTERNAL', ''], ''],
    [['AUTH EXTERNAL', base64('list')], 'list'],
  ])('%j: for "%s"', async (commands, authzid) => {
    const asked: string[] = [];
    const { port, sessions } = await submission((session, credentials) => {
      expect(credentials.mechanism).toBe('EXTERNAL');
      asked.push(credentials.authzid);
      return onlyTrusted(session, credentials);
    });
    const client = await enter(port, pem(issued));
    await client.command('EHLO x');
    const replies = await client.commands(...commands);
    expect(replies.at(-1)).toBe(ok);
    expect(replies.slice(0, -1)).toEqual(commands.length > 1 ? ['334'] : []);
    await client.command('MAIL FROM:<a@example.org>');
    expect(asked).toEqual([authzid]);
    // Whom it wants to act for never becomes who it is.
    expect(sessions[0]?.auth).toEqual({
      mechanism: 'EXTERNAL',
      username: 'client.example.com',
      authzid,
    });
    expect(await client.command('AUTH EXTERNAL =')).toMatch(/^503 5\.5\.1 /);
  });

  test.each([
    [['AUTH EXTERNAL !'], noBase64],
    [[`AUTH EXTERNAL ${base64('a\0b')}`], failed],
    [['AUTH EXTERNAL', '*'], '501 5.7.0 Authentication aborted'],
    [['AUTH EXTERNAL a b'], '501 5.5.4 Syntax: AUTH mechanism'],
  ])('%j: %s', async (commands, reply) => {
    const { port } = await submission(() => ({ username: 'x' }));
    const client = await enter(port, pem(issued));
    await client.command('EHLO x');
    expect((await client.commands(...commands)).at(-1)).toBe(reply);
  });
});

describe('the callback decides', () => {
  async function outcome(onAuthExternal: External, credential = pem(issued)) {
    const { port, sessions, lines } = await submission(onAuthExternal);
    const client = await enter(port, credential);
    await client.command('EHLO x');
    const reply = await client.command('AUTH EXTERNAL =');
    await client.command('MAIL FROM:<a@example.org>');
    return { reply, auth: sessions[0]?.auth, lines: lines.matching(/^warning|^error/) };
  }

  test('who it is, by the fingerprint of an untrusted certificate', async () => {
    const users = new Map([[pkeyFingerprint(self.certFile), 'alice']]);
    const known: External = async ({ tls }) => {
      const username = users.get(tls?.peerPkeyFingerprint ?? '');
      return username === undefined ? false : { username };
    };
    expect(await outcome(known, pem(self))).toMatchObject({
      reply: ok,
      auth: { mechanism: 'EXTERNAL', username: 'alice' },
    });
    expect(await outcome(known)).toMatchObject({
      reply: failed,
      auth: null,
      lines: [
        'warning: unknown[127.0.0.1]: SASL EXTERNAL authentication failed: (reason unavailable), sasl_username=client.example.com',
      ],
    });
  });

  test('in its own words', async () => {
    const no = { code: 454, enhanced: '4.7.0', text: 'not on Sundays' };
    expect(await outcome(() => no)).toMatchObject({
      reply: '454 4.7.0 not on Sundays',
      auth: null,
    });
    const yes = { code: 235, enhanced: '2.7.0', text: 'welcome' };
    expect(await outcome(() => yes)).toMatchObject({
      reply: '235 2.7.0 welcome',
      auth: { username: 'client.example.com' },
    });
  });

  test.each<[string, External]>([
    ['lets in an untrusted certificate without a name', () => true],
    ['gives an empty name', () => ({ username: '' })],
    ['decides nothing', (() => undefined) as never],
    ['throws', () => Promise.reject(new Error('no database'))],
  ])('one that %s lets nobody in', async (_, broken) => {
    const { reply, auth, lines } = await outcome(broken, pem(self));
    expect(reply).toBe('454 4.7.0 Temporary authentication failure');
    expect(auth).toBeNull();
    expect(lines).toEqual([expect.stringMatching(/^error: .*a callback failed/)]);
  });
});

test('a name in place of true is for passwords, too', async () => {
  const { port, sessions } = await submission(() => false, {
    onAuth: (_session, { username }) => ({ username: username.toLowerCase() }),
  });
  const client = await enter(port);
  await client.commands('EHLO x', `AUTH PLAIN ${base64('\0Alice\0secret')}`);
  await client.command('MAIL FROM:<a@example.org>');
  expect(sessions[0]?.auth).toEqual({ mechanism: 'PLAIN', username: 'alice', authzid: '' });
});
