/** STARTTLS and wrappermode of the smtpd engine, with node's own TLS on the other side. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Smtpd } from '../../lib/server.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';
import { secure, secureFromStart } from '../helpers/tls-client.js';

const ecdsa = certificate('ecdsa');
const tls = { securityLevel: 'may', chainFiles: [ecdsa.chainFile], loglevel: 1 } as const;

describe('STARTTLS', () => {
  test('a whole session', async () => {
    const { port, lines, received } = await startSmtpd({ tls });
    const plain = await RawClient.greeted(port);
    await plain.command('EHLO x');
    expect(await plain.command('STARTTLS')).toBe('220 2.0.0 Ready to start TLS');
    const client = await secure(plain);
    expect(await client.command('EHLO x')).not.toContain('STARTTLS');
    await client.commands('MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>', 'DATA');
    expect(await client.command('secret\r\n.')).toMatch(/^250 2\.0\.0 Ok: queued/);
    expect(await client.command('QUIT')).toBe('221 2.0.0 Bye');
    expect(await client.rest()).toBe('');
    client.end();
    expect(received[0]?.content.toString()).toBe('secret\r\n');
    expect(await lines.line(/TLS connection/)).toMatch(
      /^Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1\.3 with cipher TLS_AES_\w+ \(\d+\/\d+ bits\) key-exchange \w+ server-signature ECDSA \(prime256v1\) server-digest SHA256$/,
    );
    expect(await lines.line(/^disconnect/)).toBe(
      'disconnect from unknown[127.0.0.1] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7',
    );
  });

  test('that goes on when the service ends is brought to its end, and hears the 421', async () => {
    const { smtpd, port } = await startSmtpd({ tls });
    const plain = await RawClient.greeted(port);
    expect(await plain.command('STARTTLS')).toBe('220 2.0.0 Ready to start TLS');
    const closed = smtpd.close();
    const client = await secure(plain);
    expect(await client.reply()).toBe('421 4.3.2 mx.example.com Service shutting down');
    expect(await client.rest()).toBe('');
    client.end();
    await closed;
  });

  test('twice is refused', async () => {
    const { port } = await startSmtpd({ tls });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    const client = await secure(plain);
    expect(await client.command('STARTTLS')).toBe('554 5.5.1 Error: TLS already active');
    expect(await client.command('STARTTLS x')).toBe('501 5.5.4 Syntax: STARTTLS');
  });

  test('forgets what the client said before: hello, sender, recipients', async () => {
    const helos: (string | null)[] = [];
    const { port } = await startSmtpd({
      tls,
      onMail: (session) => {
        helos.push(session.helo);
      },
    });
    const plain = await RawClient.greeted(port);
    await plain.commands('EHLO before', 'MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>');
    expect(await plain.command('STARTTLS')).toBe('220 2.0.0 Ready to start TLS');
    const client = await secure(plain);
    expect(
      await client.commands('DATA', 'RCPT TO:<b@example.com>', 'MAIL FROM:<c@example.org>'),
    ).toEqual([
      '503 5.5.1 Error: need RCPT command',
      '503 5.5.1 Error: need MAIL command',
      '250 2.1.0 Ok',
    ]);
    expect(helos).toEqual(['before', null]);
  });

  // CVE-2011-0411: what stands in plaintext behind STARTTLS must not be carried out inside TLS.
  test.each([
    ['a whole command', 'NOOP injected\r\n'],
    ['several commands', 'EHLO evil\r\nMAIL FROM:<evil@example.org>\r\n'],
    ['the beginning of a command', 'RSET'],
  ])('plaintext behind it is thrown away: %s', async (_, injected) => {
    const { port } = await startSmtpd({ tls });
    const plain = await RawClient.greeted(port);
    await plain.command('EHLO x');
    plain.send(`STARTTLS\r\n${injected}`);
    expect(await plain.reply()).toBe('220 2.0.0 Ready to start TLS');
    const client = await secure(plain);
    expect(await client.command('EHLO y')).toContain('250-mx.example.com');
    expect(await client.command('RCPT TO:<b@example.com>')).toBe(
      '503 5.5.1 Error: need MAIL command',
    );
  });

  test("a client that talks plaintext where TLS is due is dropped, with Postfix' lines", async () => {
    const { port, lines } = await startSmtpd({ tls });
    const plain = await RawClient.greeted(port);
    await plain.commands('EHLO x', 'STARTTLS');
    plain.send('MAIL FROM:<a@example.org>\r\n');
    await plain.rest();
    plain.end();
    await lines.line(/^disconnect/);
    expect(lines.all).toEqual([
      'connect from unknown[127.0.0.1]',
      'SSL_accept error from unknown[127.0.0.1]: -1',
      expect.stringMatching(
        /^warning: TLS library problem: error:0A00010B:SSL routines::wrong version number:/,
      ),
      'NOQUEUE: lost connection after STARTTLS from unknown[127.0.0.1]',
      'disconnect from unknown[127.0.0.1] ehlo=1 starttls=0/1 commands=1/2',
    ]);
  });

  test('a client that goes away instead of a handshake', async () => {
    const { port, lines } = await startSmtpd({ tls });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    plain.end();
    await lines.line(/^disconnect/);
    expect(lines.all.slice(1)).toEqual([
      'SSL_accept error from unknown[127.0.0.1]: lost connection',
      'NOQUEUE: lost connection after STARTTLS from unknown[127.0.0.1]',
      'disconnect from unknown[127.0.0.1] starttls=0/1 commands=0/1',
    ]);
  });

  test('the snapshot is there for callbacks, and lasts', async () => {
    const { port, received } = await startSmtpd({ tls: { ...tls, loglevel: 0 } });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    const client = await secure(plain, { maxVersion: 'TLSv1.2' });
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA', 'x\r\n.');
    const [{ session } = { session: null }] = received;
    expect(session?.tls).toMatchObject({ protocol: 'TLSv1.2', status: 'Anonymous' });
    const { tls: snapshot } = session ?? { tls: null };
    expect(Object.isFrozen(snapshot)).toBe(true);
    await client.command('QUIT');
    client.end();
    expect(session?.tls).toBe(snapshot);
  });
});

describe('wrappermode', () => {
  test('TLS first, no STARTTLS, mandatory', async () => {
    const { port, lines } = await startSmtpd({ tls }, { wrappermode: true });
    const client = await secureFromStart(port);
    expect(await client.reply()).toBe('220 mx.example.com ESMTP mxtls');
    expect(await client.command('EHLO x')).not.toContain('STARTTLS');
    expect(await client.command('STARTTLS')).toBe('554 5.5.1 Error: TLS already active');
    expect(await client.command('MAIL FROM:<a@example.org>')).toBe('250 2.1.0 Ok');
    await client.command('QUIT');
    client.end();
    expect(await lines.line(/TLS connection/)).toMatch(
      /^Anonymous TLS connection established from/,
    );
  });

  test('one Smtpd listens in both modes', async () => {
    const { smtpd, port } = await startSmtpd({ tls });
    const submissions = await smtpd.listen({ host: '127.0.0.1', port: 0, wrappermode: true });
    const plain = await RawClient.greeted(port);
    expect(await plain.command('EHLO x')).toContain('STARTTLS');
    const client = await secureFromStart(submissions.port);
    expect(await client.reply()).toMatch(/^220 /);
  });

  test('a failed handshake is logged like Postfix does', async () => {
    const { port, lines } = await startSmtpd({ tls }, { wrappermode: true });
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.write('EHLO plain\r\n');
    socket.resume();
    await lines.line(/^disconnect/);
    expect(lines.all).toEqual([
      'connect from unknown[127.0.0.1]',
      'SSL_accept error from unknown[127.0.0.1]: -1',
      expect.stringMatching(/^warning: TLS library problem: error:0A/),
      'NOQUEUE: lost connection after CONNECT from unknown[127.0.0.1]',
      'disconnect from unknown[127.0.0.1] commands=0/0',
    ]);
    socket.destroy();
  });
});

describe('certificates that are withdrawn', () => {
  test('a client of a wrappermode listener hears not a byte', async () => {
    const { smtpd, port, lines } = await startSmtpd({ tls }, { wrappermode: true });
    smtpd.withdrawCertificates();
    const client = await RawClient.connect(port);
    expect(await client.rest()).toBe('');
    client.end();
    expect(lines.all).toEqual([
      'warning: certificates withdrawn: no TLS until there are new ones',
      'connect from unknown[127.0.0.1]',
      'warning: Wrapper-mode request dropped from unknown[127.0.0.1] for service smtpd. TLS context initialization failed. For details see earlier warnings in your logs.',
      'disconnect from unknown[127.0.0.1] commands=0/0',
    ]);
  });

  test('a session that is in TLS goes on, on all listeners a new one gets none', async () => {
    const { smtpd, port } = await startSmtpd({ tls });
    const other = await smtpd.listen({ host: '127.0.0.1', port: 0 });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    const client = await secure(plain);
    smtpd.withdrawCertificates();
    for (const late of [await RawClient.greeted(port), await RawClient.greeted(other.port)]) {
      expect(await late.command('EHLO x')).toContain('250-STARTTLS');
      expect(await late.command('STARTTLS')).toBe(
        '454 4.7.0 TLS not available due to local problem',
      );
    }
    expect(await client.command('MAIL FROM:<a@example.org>')).toBe('250 2.1.0 Ok');
  });
});

describe('client certificates', () => {
  const required = {
    ...tls,
    securityLevel: 'encrypt',
    reqCcert: true,
    CAfile: authority().certFile,
  } as const;
  const pem = ({ keyFile, certFile }: { keyFile: string; certFile: string }) => ({
    key: readFileSync(keyFile),
    cert: readFileSync(certFile),
  });

  test('one of a trusted authority is Trusted', async () => {
    const { port, lines } = await startSmtpd({ tls: required });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    const client = await secure(plain, pem(issuedCertificate()));
    expect(await client.command('MAIL FROM:<a@example.org>')).toBe('250 2.1.0 Ok');
    expect(await lines.line(/TLS connection/)).toMatch(
      /^Trusted TLS connection .* client-signature ECDSA/,
    );
  });

  test.each([
    ['none', {}, 'No client certificate presented'],
    ['an untrusted one', pem(ecdsa), 'Client certificate not trusted'],
  ])('%s, where one is required: 421 to the next command', async (_, credentials, problem) => {
    const { port, lines } = await startSmtpd({ tls: required });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    const client = await secure(plain, credentials);
    expect(await client.command('EHLO x')).toBe(`421 4.7.1 mx.example.com Error: ${problem}`);
    expect(await client.rest()).toBe('');
    client.end();
    expect(await lines.line(/abort/)).toBe(
      `NOQUEUE: abort: TLS from unknown[127.0.0.1]: ${problem}`,
    );
  });

  test('in wrappermode the 421 comes in place of the greeting', async () => {
    const { port } = await startSmtpd({ tls: required }, { wrappermode: true });
    const client = await secureFromStart(port);
    expect(await client.rest()).toBe(
      '421 4.7.1 mx.example.com Error: No client certificate presented\r\n',
    );
  });
});

describe('a listener whose certificates cannot be used does not start', () => {
  const refuse = async (options: object): Promise<unknown> => {
    const smtpd = new Smtpd({ onData: () => undefined, tls: { securityLevel: 'may', ...options } });
    return smtpd.listen({ host: '127.0.0.1', port: 0 }).catch((error: unknown) => error);
  };

  test.each([
    [{}, 'NO_SERVER_CERTS'],
    [{ chainFiles: ['/nonexistent.pem'] }, 'CHAIN_FILE'],
    [{ chainFiles: [ecdsa.certFile] }, 'CHAIN_KEY_NOT_FIRST'],
    [{ chainFiles: [ecdsa.keyFile] }, 'CHAIN_KEY_WITHOUT_CERT'],
    [{ chainFiles: [ecdsa.keyFile, certificate('rsa').certFile] }, 'CHAIN_KEY_MISMATCH'],
  ])('%j: %s', async (options, code) => {
    expect(await refuse(options)).toMatchObject({ class: 'config', code });
  });
});
