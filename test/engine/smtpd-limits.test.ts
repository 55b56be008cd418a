/** Limits on connections and on new TLS sessions, and what stress changes. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';
import { secure, secureFromStart } from '../helpers/tls-client.js';

const tls = {
  securityLevel: 'may',
  chainFiles: [certificate('ecdsa').chainFile],
  loglevel: 1,
} as const;

/** Everybody counts, this machine too. */
const strict = { clientEventLimitExceptions: [] };

async function startTls(port: number): Promise<RawClient> {
  const plain = await RawClient.greeted(port);
  await plain.commands('EHLO x', 'STARTTLS');
  return secure(plain);
}

describe('smtpd_client_new_tls_session_rate_limit', () => {
  test('the handshake that is one too many is followed by a 421', async () => {
    const { port, lines } = await startSmtpd({ ...strict, tls, clientNewTlsSessionRateLimit: 1 });
    const first = await startTls(port);
    expect(await first.command('NOOP')).toBe('250 2.0.0 Ok');
    const second = await startTls(port);
    expect(await second.rest()).toBe(
      '421 4.7.0 mx.example.com Error: too many new TLS sessions from unknown[127.0.0.1]\r\n',
    );
    expect(lines.matching(/^warning/)).toEqual([
      'warning: New TLS session rate limit exceeded: 2 from unknown[127.0.0.1] for service smtpd',
    ]);
  });

  test('after that STARTTLS is refused, and the connection goes on in plaintext', async () => {
    const { port, lines } = await startSmtpd({ ...strict, tls, clientNewTlsSessionRateLimit: 1 });
    await startTls(port);
    await (await startTls(port)).rest(); // it has been counted
    const third = await RawClient.greeted(port);
    await third.command('EHLO x');
    expect(await third.commands('STARTTLS', 'NOOP')).toEqual([
      '454 4.7.0 Error: too many new TLS sessions from unknown[127.0.0.1]',
      '250 2.0.0 Ok',
    ]);
    expect(lines.matching(/^warning: Refusing/)).toEqual([
      'warning: Refusing STARTTLS request from unknown[127.0.0.1] for service smtpd',
    ]);
  });

  test('failed handshakes count', async () => {
    const { port, lines } = await startSmtpd({ ...strict, tls, clientNewTlsSessionRateLimit: 1 });
    for (let i = 0; i < 2; i++) {
      const plain = await RawClient.greeted(port);
      await plain.command('STARTTLS');
      plain.send('this is no ClientHello');
      await plain.rest();
    }
    await lines.line(/^warning: New TLS session rate limit exceeded: 2/);
    const third = await RawClient.greeted(port);
    expect(await third.command('STARTTLS')).toMatch(/^454 4\.7\.0/);
  });

  test('a resumed session is not a new one', async () => {
    const { port } = await startSmtpd({ ...strict, tls, clientNewTlsSessionRateLimit: 1 });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    const options = { rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const;
    const first = connectTls({ ...options, socket: plain.socket });
    await once(first, 'secureConnect');
    const session = first.getSession();
    for (let i = 0; i < 3; i++) {
      const again = await RawClient.greeted(port);
      await again.command('STARTTLS');
      const socket = connectTls({ ...options, socket: again.socket, session });
      await once(socket, 'secureConnect');
      expect(socket.isSessionReused()).toBe(true);
    }
    const last = await RawClient.greeted(port);
    expect(await last.command('STARTTLS')).toBe('220 2.0.0 Ready to start TLS');
  });

  test('wrappermode: once it is exceeded, clients are dropped before the handshake', async () => {
    const { port, lines } = await startSmtpd(
      { ...strict, tls, clientNewTlsSessionRateLimit: 1 },
      { wrappermode: true },
    );
    await (await secureFromStart(port)).reply();
    const second = await secureFromStart(port);
    expect(await second.rest()).toMatch(/^421 4\.7\.0 .*too many new TLS sessions/);
    const third = await RawClient.connect(port);
    expect(await third.rest()).toBe('');
    expect(lines.matching(/^warning/)).toEqual([
      'warning: New TLS session rate limit exceeded: 2 from unknown[127.0.0.1] for service submissions',
      'warning: Refusing TLS service request from unknown[127.0.0.1] for service submissions',
    ]);
  });

  test('mynetworks are spared', async () => {
    const { port } = await startSmtpd({ tls, clientNewTlsSessionRateLimit: 1 });
    await startTls(port);
    await startTls(port);
    expect(await (await startTls(port)).command('NOOP')).toBe('250 2.0.0 Ok');
  });
});

describe('smtpd_client_connection_count_limit with wrappermode', () => {
  test('drops clients before the handshake, and forgets those that fail or leave', async () => {
    const { port, lines } = await startSmtpd(
      { ...strict, tls, clientConnectionCountLimit: 1 },
      { wrappermode: true },
    );
    const first = await secureFromStart(port);
    await first.reply();
    const second = await RawClient.connect(port);
    expect(await second.rest()).toBe('');
    expect(lines.matching(/^warning/)).toEqual([
      'warning: Connection concurrency limit exceeded: 2 from unknown[127.0.0.1] for service submissions',
    ]);
    await first.command('QUIT');
    first.end();
    await lines.line(/^disconnect/);
    const third = await RawClient.connect(port);
    third.send('no handshake');
    await third.rest();
    third.end();
    await lines.line(/^SSL_accept error/);
    const fourth = await secureFromStart(port);
    expect(await fourth.reply()).toMatch(/^220/);
  });
});

describe('connectionLimit', () => {
  test('clients over it get a 421 and are gone; one that leaves makes room', async () => {
    const { port, lines } = await startSmtpd({}, { connectionLimit: 2 });
    const first = await RawClient.greeted(port);
    await RawClient.greeted(port);
    const third = await RawClient.connect(port);
    expect(await third.rest()).toBe('421 4.3.2 All server ports are busy\r\n');
    expect(await lines.line(/turned away/)).toBe(
      `warning: 127.0.0.1:${port}: all connections in use: a client was turned away`,
    );
    await first.command('QUIT');
    first.end();
    await lines.line(/^disconnect/);
    const fourth = await RawClient.connect(port);
    expect(await fourth.reply()).toMatch(/^220/);
    expect(lines.matching(/^connect from/)).toHaveLength(3);
  });

  test('wrappermode: handshakes count, and clients over it are dropped without a byte', async () => {
    const { port } = await startSmtpd({ tls }, { wrappermode: true, connectionLimit: 2 });
    const silent = connect({ port, host: '127.0.0.1' });
    await once(silent, 'connect');
    onTestFinished(() => void silent.destroy());
    await (await secureFromStart(port)).reply();
    const third = await RawClient.connect(port);
    expect(await third.rest()).toBe('');
  });

  test('0 is any number', async () => {
    const { port } = await startSmtpd({}, { connectionLimit: 0 });
    for (let i = 0; i < 20; i++) {
      await RawClient.greeted(port);
    }
  });

  test.each([-1, 1.5])('%s is refused', async (connectionLimit) => {
    await expect(startSmtpd({}, { connectionLimit })).rejects.toMatchObject({
      class: 'usage',
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('stress', () => {
  test('near the limit a client that makes an error is out; away from it, it is not', async () => {
    const { port, lines } = await startSmtpd({}, { connectionLimit: 10 });
    const clients: RawClient[] = [];
    for (let i = 0; i < 9; i++) {
      clients.push(await RawClient.greeted(port));
    }
    expect(await lines.line(/under stress/)).toBe(
      `warning: 127.0.0.1:${port}: under stress: 9 connections`,
    );
    // smtpd_hard_error_limit is 1 under stress, for those that were there before as well.
    clients[0]?.send('NONSENSE\r\n');
    expect(await clients[0]?.rest()).toBe(
      '500 5.5.2 Error: command not recognized\r\n421 4.7.0 mx.example.com Error: too many errors\r\n',
    );
    for (const client of clients.slice(0, 4)) {
      client.reset();
    }
    await lines.line(/no more stress/);
    const calm = clients[8];
    expect(await calm?.commands('NONSENSE', 'NOOP')).toEqual([
      '500 5.5.2 Error: command not recognized',
      '250 2.0.0 Ok',
    ]);
  });

  test('underStress sets what else is to change; what was set for good stays', async () => {
    const { port } = await startSmtpd(
      { hardErrorLimit: 5, banner: 'calm', underStress: { banner: 'busy' } },
      { connectionLimit: 2 },
    );
    const calm = await RawClient.connect(port);
    expect(await calm.reply()).toBe('220 calm');
    const busy = await RawClient.connect(port);
    expect(await busy.reply()).toBe('220 busy');
    expect(await busy.commands('NONSENSE', 'NOOP')).toEqual([
      '500 5.5.2 Error: command not recognized',
      '250 2.0.0 Ok',
    ]);
  });

  test('wrappermode: it begins while all that there is are handshakes, the last of them is in it', async () => {
    const { port, lines } = await startSmtpd(
      { tls, starttlsTimeout: 300_000, underStress: { starttlsTimeout: 1000 } },
      { wrappermode: true, connectionLimit: 10 },
    );
    for (let i = 0; i < 8; i++) {
      const patient = connect({ port, host: '127.0.0.1' });
      await once(patient, 'connect');
      onTestFinished(() => void patient.destroy());
    }
    const ninth = await RawClient.connect(port);
    expect(await ninth.rest()).toBe('');
    await lines.line(/^SSL_accept error/);
    expect(lines.all.filter((line) => !/^(?:connect|disconnect|NOQUEUE)/.test(line))).toEqual([
      `warning: 127.0.0.1:${port}: under stress: 9 connections`,
      'SSL_accept error from unknown[127.0.0.1]: Connection timed out',
    ]);
  });

  test('wrappermode: a client that is not admitted does not bring it about', async () => {
    const { port, lines } = await startSmtpd(
      { ...strict, tls, clientConnectionCountLimit: 1 },
      { wrappermode: true, connectionLimit: 2 },
    );
    await (await secureFromStart(port)).reply();
    expect(await (await RawClient.connect(port)).rest()).toBe('');
    expect(lines.matching(/stress/)).toEqual([]);
    expect(lines.matching(/^warning/)).toEqual([
      'warning: Connection concurrency limit exceeded: 2 from unknown[127.0.0.1] for service submissions',
    ]);
  });

  test('a handshake that drips is cut off at the deadline, in wrappermode as well', async () => {
    const { port, lines } = await startSmtpd(
      { tls, underStress: { starttlsTimeout: 1000 } },
      { wrappermode: true, connectionLimit: 10 },
    );
    for (let i = 0; i < 8; i++) {
      const patient = connect({ port, host: '127.0.0.1' });
      await once(patient, 'connect');
      onTestFinished(() => void patient.destroy());
    }
    await (await secureFromStart(port)).reply(); // nine of ten: stress
    const drip = await RawClient.connect(port);
    drip.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
    const timer = setInterval(() => drip.send(Buffer.from([0])), 100);
    expect(await drip.rest()).toBe('');
    clearInterval(timer);
    expect(await lines.line(/timed out/)).toMatch(
      /^SSL_accept error from unknown\[127\.0\.0\.1\]: /,
    );
  });
});
