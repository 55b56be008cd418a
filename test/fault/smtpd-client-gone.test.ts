/** The smtpd engine with clients that go away, stall, or close one half. */
import { describe, expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';
import { secure } from '../helpers/tls-client.js';

const tls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;

describe('lost connection', () => {
  test.each([
    ['CONNECT', []],
    ['HELO', ['HELO x']],
    ['EHLO', ['EHLO x']],
    ['MAIL', ['EHLO x', 'MAIL FROM:<a@example.org>']],
    ['RCPT', ['MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>']],
    ['RSET', ['MAIL FROM:<a@example.org>', 'RSET']],
    ['UNKNOWN', ['FOO']],
    ['END-OF-MESSAGE', ['MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA', 'x\r\n.']],
  ])('after %s, by FIN and by RST', async (where, commands) => {
    for (const leave of ['end', 'reset'] as const) {
      const { smtpd, port, lines } = await startSmtpd();
      const client = await RawClient.greeted(port);
      await client.commands(...commands);
      client[leave]();
      expect(await lines.line(/lost connection/)).toMatch(
        new RegExp(
          `^(NOQUEUE|[0-9A-F]+): lost connection after ${where} from unknown\\[127\\.0\\.0\\.1\\]$`,
        ),
      );
      await lines.line(/^disconnect/);
      expect(smtpd.connections).toBe(0);
    }
  });

  test('inside TLS, with and without close-notify', async () => {
    for (const leave of ['end', 'reset'] as const) {
      const { port, lines } = await startSmtpd({ tls });
      const plain = await RawClient.greeted(port);
      await plain.command('STARTTLS');
      const client = await secure(plain);
      await client.command('EHLO x');
      if (leave === 'end') {
        client.end();
      } else {
        plain.reset();
      }
      expect(await lines.line(/lost connection/)).toBe(
        'NOQUEUE: lost connection after EHLO from unknown[127.0.0.1]',
      );
    }
  });

  test('after QUIT nobody waits for the end of the client', async () => {
    const { smtpd, port, lines } = await startSmtpd({ tls });
    const plain = await RawClient.greeted(port);
    expect(await plain.command('QUIT')).toBe('221 2.0.0 Bye');
    await lines.line(/^disconnect from \S+ quit=1 commands=1$/);
    const before = await RawClient.greeted(port);
    await before.command('STARTTLS');
    const secured = await secure(before);
    expect(await secured.command('QUIT')).toBe('221 2.0.0 Bye');
    await lines.line(/^disconnect from \S+ starttls=1 quit=1 commands=2$/);
    expect(smtpd.connections).toBe(0);
  });

  test('the queue id is told when there is a recipient', async () => {
    const { port, lines } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>');
    client.end();
    expect(await lines.line(/lost connection/)).toMatch(/^[0-9A-F]{6,}: /);
  });
});

describe('half-close', () => {
  test('what a client said before its FIN is answered', async () => {
    const { port, received, lines } = await startSmtpd();
    const client = await RawClient.connect(port);
    client.send(
      'EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<c@d>\r\n',
    );
    client.end();
    const replies = (await client.rest()).match(/^\d{3} /gm);
    expect(replies?.join('')).toBe('220 250 250 250 354 250 250 ');
    expect(received).toHaveLength(1);
    expect(await lines.line(/lost connection/)).toMatch(/after MAIL/);
  });

  test('a slow callback finishes first', async () => {
    const { port, received } = await startSmtpd({
      onRcpt: () => new Promise<void>((resolve) => setImmediate(resolve)),
    });
    const client = await RawClient.connect(port);
    client.send('EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\nx\r\n.\r\n');
    client.end();
    expect((await client.rest()).match(/^\d{3} /gm)?.join('')).toBe('220 250 250 250 354 250 ');
    expect(received).toHaveLength(1);
  });

  test('without the dot there is no message', async () => {
    const { port, received, lines } = await startSmtpd();
    const client = await RawClient.greeted(port);
    client.send('MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\nhalf\r\n.');
    client.end();
    expect((await client.rest()).match(/^\d{3} /gm)?.join('')).toBe('250 250 354 ');
    expect(await lines.line(/lost connection/)).toContain('after DATA (6 bytes)');
    expect(received).toEqual([]);
  });
});

describe('a client that stalls', () => {
  test('between commands: 421', async () => {
    const { port, lines } = await startSmtpd({ timeout: 1000 });
    const client = await RawClient.greeted(port);
    await client.command('EHLO x');
    expect(await client.rest()).toBe('421 4.4.2 mx.example.com Error: timeout exceeded\r\n');
    client.end();
    await lines.line(/^disconnect/);
    expect(lines.all).toEqual([
      'connect from unknown[127.0.0.1]',
      'NOQUEUE: timeout after EHLO from unknown[127.0.0.1]',
      'disconnect from unknown[127.0.0.1] ehlo=1 commands=1',
    ]);
  });

  test('in the middle of a message: 421, and the callback is told', async () => {
    let seen: unknown = null;
    const { port, lines } = await startSmtpd({
      timeout: 1000,
      onData: async (_session, message) => {
        try {
          for await (const _ of message) {
            // half of it
          }
        } catch (error) {
          seen = error;
          throw error;
        }
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA');
    client.send('half\r\n');
    expect(await client.rest()).toBe('421 4.4.2 mx.example.com Error: timeout exceeded\r\n');
    client.end();
    await lines.line(/^disconnect/);
    expect(seen).toMatchObject({ code: 'IO_TIMEOUT', class: 'timeout' });
    expect(lines.matching(/timeout/)).toEqual([
      expect.stringMatching(/^[0-9A-F]+: timeout after DATA \(6 bytes\) from unknown/),
    ]);
    expect(lines.matching(/^error/)).toEqual([]);
  });

  test('in the handshake', async () => {
    const { port, lines } = await startSmtpd({ tls, starttlsTimeout: 1000 });
    const client = await RawClient.greeted(port);
    await client.command('STARTTLS');
    expect(await client.rest()).toBe('');
    await lines.line(/^disconnect/);
    expect(lines.all.slice(1, 3)).toEqual([
      'SSL_accept error from unknown[127.0.0.1]: Connection timed out',
      'NOQUEUE: lost connection after STARTTLS from unknown[127.0.0.1]',
    ]);
  });

  test('and does not read: it is cut off', async () => {
    const { port, lines } = await startSmtpd({ timeout: 1000, junkCommandLimit: 1_000_000 });
    const client = await RawClient.greeted(port);
    client.socket.pause();
    // Replies of many times the size of all socket buffers.
    client.send('EHLO x\r\n'.repeat(400_000));
    expect(await lines.line(/^disconnect/)).toMatch(/ehlo=\d+/);
    expect(lines.matching(/timeout after EHLO/)).toHaveLength(1);
  });

  test("a callback that takes longer than smtpd_timeout is not the client's fault", async () => {
    const { port } = await startSmtpd({
      timeout: 1000,
      onData: async (_session, message) => {
        for await (const _ of message) {
          // all of it
        }
        await new Promise((resolve) => setTimeout(resolve, 1200));
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA');
    expect(await client.command('x\r\n.')).toMatch(/^250 /);
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
  });
});

describe('close()', () => {
  test('tells idle clients and resolves when they have gone', async () => {
    const { smtpd, port, lines } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.command('EHLO x');
    const closed = smtpd.close();
    expect(await client.rest()).toBe('421 4.3.2 mx.example.com Service shutting down\r\n');
    client.end();
    await closed;
    expect(smtpd.connections).toBe(0);
    expect(lines.matching(/lost connection/)).toEqual([]);
    await expect(RawClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('a message that is being received is finished first', async () => {
    const { smtpd, port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA');
    client.send('first half\r\n');
    const closed = smtpd.close();
    client.send('second half\r\n.\r\n');
    expect(await client.reply()).toMatch(/^250 2\.0\.0 Ok: queued as/);
    expect(await client.reply()).toBe('421 4.3.2 mx.example.com Service shutting down');
    client.end();
    await closed;
    expect(received[0]?.content.toString()).toBe('first half\r\nsecond half\r\n');
  });

  test('force ends everybody at once', async () => {
    const { smtpd, port } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA');
    await smtpd.close(true);
    expect(smtpd.connections).toBe(0);
    expect(await client.rest()).toBe('');
  });
});
