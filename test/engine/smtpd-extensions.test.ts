/** What the smtpd engine offers beyond plain mail: BDAT, AUTH, DSN, SMTPUTF8, and limits of time and number. */
import { describe, expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { RawClient } from '../helpers/raw-client.js';
import { collect, startSmtpd } from '../helpers/servers.js';
import { secure } from '../helpers/tls-client.js';

const tls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;
const envelope = ['MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>'] as const;

describe('BDAT', () => {
  test('one chunk, its bytes whatever they are', async () => {
    const { port, received, lines } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    const content = '.\r\n..\r\nno dots here\r\n.\r\n';
    expect(await client.command(`BDAT ${content.length} LAST\r\n${content}NOOP`)).toMatch(
      /^250 2\.0\.0 Ok: 24 bytes queued as [0-9A-F]+$/,
    );
    expect(await client.reply()).toBe('250 2.0.0 Ok');
    expect(received[0]?.content.toString()).toBe(content);
    await client.command('QUIT');
    client.end();
    expect(await lines.line(/^disconnect/)).toContain('bdat=1 noop=1');
  });

  test('several chunks make one message, cut anywhere', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    client.send(
      'BDAT 5\r\none\r\nBDAT 3\r\ntwoBDAT 1\r\n\rBDAT 2\r\n\nxBDAT 0\r\nBDAT 4 LAST\r\n\r\n.\r',
    );
    expect([
      await client.reply(),
      await client.reply(),
      await client.reply(),
      await client.reply(),
      await client.reply(),
      (await client.reply()).replace(/ as .*/, ''),
    ]).toEqual([
      '250 2.0.0 Ok: 5 bytes',
      '250 2.0.0 Ok: 3 bytes',
      '250 2.0.0 Ok: 1 bytes',
      '250 2.0.0 Ok: 2 bytes',
      '250 2.0.0 Ok: 0 bytes',
      '250 2.0.0 Ok: 17 bytes queued',
    ]);
    expect(received[0]?.content.toString()).toBe('one\r\ntwo\r\nx\r\n.\r\r\n');
  });

  test('BDAT 0 LAST ends a message', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'BDAT 3\r\nx');
    expect(await client.command('BDAT 0 LAST')).toMatch(/^250/);
    expect(received).toHaveLength(1);
  });

  test('a chunk that is refused is read all the same', async () => {
    const { port } = await startSmtpd();
    const client = await RawClient.greeted(port);
    client.send('BDAT 7 LAST\r\nQUIT\r\n\nNOOP\r\n');
    expect(await client.reply()).toBe('503 5.5.1 Error: need RCPT command');
    expect(await client.reply()).toBe('250 2.0.0 Ok');
    client.send('MAIL FROM:<>\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n');
    expect(await client.reply()).toBe('250 2.1.0 Ok');
    expect(await client.reply()).toBe('554 5.5.1 Error: no valid recipients');
    expect(await client.reply()).toBe('250 2.0.0 Ok');
  });

  test('neither RCPT nor DATA fits between chunks; RSET gives the message up', async () => {
    const failures: unknown[] = [];
    const { port, lines } = await startSmtpd({
      onData: async (_session, message) => {
        await collect(message).catch((error: unknown) => failures.push(error));
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'BDAT 3\r\nx');
    expect(await client.commands('RCPT TO:<c@example.com>', 'DATA', 'RSET')).toEqual([
      '503 5.5.1 Error: RCPT after BDAT',
      '503 5.5.1 Error: DATA after BDAT',
      '250 2.0.0 Ok',
    ]);
    expect(failures).toMatchObject([{ code: 'CANCELLED' }]);
    expect(lines.matching(/^error/)).toEqual([]);
    expect((await client.commands(...envelope, 'DATA')).at(-1)).toMatch(/^354/);
  });

  test('what the callback refuses is told with the chunk, and the rest is discarded', async () => {
    const { port } = await startSmtpd({
      onData: () => ({ code: 550, enhanced: '5.7.1', text: 'No' }),
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    expect(await client.command('BDAT 3\r\nx')).toBe('550 5.7.1 No');
    expect(await client.command('BDAT 5\r\nabc')).toBe(
      '551 5.0.0 Discarded 5 bytes after earlier error',
    );
    expect(await client.command('BDAT 4 LAST\r\nab')).toBe(
      '551 5.0.0 Discarded 4 bytes after earlier error',
    );
    expect(await client.commands(...envelope)).toEqual(['250 2.1.0 Ok', '250 2.1.5 Ok']);
  });

  test('message_size_limit counts all chunks', async () => {
    const { port } = await startSmtpd({ messageSizeLimit: 10 });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    expect(await client.command('BDAT 8\r\n123456')).toBe('250 2.0.0 Ok: 8 bytes');
    expect(await client.command('BDAT 8\r\n123456')).toBe(
      '552 5.3.4 Chunk exceeds message size limit',
    );
    expect(await client.command('BDAT 0 LAST')).toBe(
      '551 5.0.0 Discarded 0 bytes after earlier error',
    );
  });

  test('nothing is acknowledged before the callback has resolved', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { port } = await startSmtpd({
      onData: async (_session, message) => {
        await collect(message);
        await gate;
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    client.send('BDAT 3 LAST\r\nx\r\nNOOP\r\n');
    const other = await RawClient.greeted(port);
    await other.command('NOOP');
    open();
    expect(await client.reply()).toMatch(/^250 2\.0\.0 Ok: 3 bytes queued/);
    expect(await client.reply()).toBe('250 2.0.0 Ok');
  });
});

describe('AUTH', () => {
  const seen: unknown[] = [];
  const onAuth = (
    _session: unknown,
    { username, password }: { username: string; password: string },
  ) => {
    seen.push([username, password]);
    return username === 'user' && password === 'secret';
  };
  const auth = { onAuth, saslAuthEnable: true };
  const plain = Buffer.from('\0user\0secret').toString('base64');
  const wrong = Buffer.from('\0user\0wrong').toString('base64');
  const base64 = (text: string): string => Buffer.from(text).toString('base64');

  test('PLAIN with and without initial response, LOGIN', async () => {
    for (const commands of [
      [`AUTH PLAIN ${plain}`],
      ['AUTH PLAIN', plain],
      ['AUTH LOGIN', base64('user'), base64('secret')],
      [`auth login ${base64('user')}`, base64('secret')],
    ]) {
      const { port, lines } = await startSmtpd({ ...auth });
      const client = await RawClient.greeted(port);
      expect(await client.command('EHLO x')).toContain('250-AUTH PLAIN LOGIN');
      const replies = await client.commands(...commands);
      expect(replies.at(-1)).toBe('235 2.7.0 Authentication successful');
      expect(replies.slice(0, -1).every((reply) => reply.startsWith('334'))).toBe(true);
      expect(await client.command(`AUTH PLAIN ${plain}`)).toBe(
        '503 5.5.1 Error: already authenticated',
      );
      client.end();
      expect(await lines.line(/^disconnect/)).toContain('auth=1/2');
    }
  });

  test('without a callback it is not enabled', async () => {
    const { port } = await startSmtpd({ saslAuthEnable: true });
    const client = await RawClient.greeted(port);
    expect(await client.command('EHLO x')).not.toContain('AUTH');
    expect(await client.command(`AUTH PLAIN ${plain}`)).toBe(
      '503 5.5.1 Error: authentication not enabled',
    );
  });

  test('a submission service does not offer it before TLS', async () => {
    const { port } = await startSmtpd({ ...auth, tls: { ...tls, securityLevel: 'encrypt' } });
    const start = await RawClient.greeted(port);
    expect(await start.command('EHLO x')).not.toContain('AUTH');
    expect(await start.command(`AUTH PLAIN ${plain}`)).toBe(
      '530 5.7.0 Must issue a STARTTLS command first',
    );
    await start.command('STARTTLS');
    const client = await secure(start);
    expect(await client.command('EHLO x')).toContain('250-AUTH PLAIN LOGIN');
    expect(await client.command(`AUTH PLAIN ${plain}`)).toMatch(/^235/);
  });

  test('STARTTLS forgets who was there', async () => {
    const { port } = await startSmtpd({ ...auth, tls });
    const start = await RawClient.greeted(port);
    await start.commands('EHLO x', `AUTH PLAIN ${plain}`, 'STARTTLS');
    const client = await secure(start);
    await client.command('EHLO x');
    expect(await client.command(`AUTH PLAIN ${plain}`)).toBe('235 2.7.0 Authentication successful');
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no database');
      },
    ],
    ['decides nothing', () => undefined],
  ])('a callback that %s lets nobody in', async (_, broken) => {
    const { port, lines } = await startSmtpd({ saslAuthEnable: true, onAuth: broken as never });
    const client = await RawClient.greeted(port);
    await client.command('EHLO x');
    expect(await client.command(`AUTH PLAIN ${plain}`)).toBe(
      '454 4.7.0 Temporary authentication failure',
    );
    expect(lines.matching(/^error: .*a callback failed/)).toHaveLength(1);
    await client.command('QUIT');
    client.end();
    expect(await lines.line(/^disconnect/)).toContain('auth=0/1');
  });

  test('a session tells who it is, and passwords are in no log', async () => {
    const { port, received, lines } = await startSmtpd({ ...auth });
    const client = await RawClient.greeted(port);
    await client.commands('EHLO x', `AUTH PLAIN ${wrong}`, `AUTH PLAIN ${plain}`);
    await client.commands(...envelope, 'DATA', 'x\r\n.');
    expect(received[0]?.session.auth).toEqual({
      mechanism: 'PLAIN',
      username: 'user',
      authzid: '',
    });
    expect(lines.all.join('\n')).not.toMatch(/secret|wrong|AHVzZXI/);
    expect(lines.matching(/authentication failed/)).toEqual([
      'warning: unknown[127.0.0.1]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=user',
    ]);
  });
});

describe('SMTPUTF8 and DSN', () => {
  test('what they say reaches the callbacks', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands(
      'EHLO x',
      'MAIL FROM:<grüße@bücher.example> SMTPUTF8 RET=HDRS ENVID=QQ1',
      'RCPT TO:<ü@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;o@example.com',
      'DATA',
      'x\r\n.',
    );
    expect(received[0]).toMatchObject({
      sender: 'grüße@bücher.example',
      recipients: ['ü@example.com'],
    });
  });
});

describe('bare newlines', () => {
  test('normalize: commands and content are taken, content gets CRLF', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    client.send('EHLO x\nMAIL FROM:<>\nRCPT TO:<b@example.com>\nDATA\nx\n.\ny\r\n.\r\nQUIT\n');
    expect((await client.rest()).match(/^\d{3} /gm)?.join('')).toBe('250 250 250 354 250 221 ');
    expect(received[0]?.content.toString()).toBe('x\r\n\r\ny\r\n');
  });

  test('clients in smtpd_forbid_bare_newline_exclusions may', async () => {
    const { port } = await startSmtpd({ forbidBareNewline: 'reject' });
    const client = await RawClient.greeted(port);
    client.send('NOOP\n');
    expect(await client.reply()).toBe('250 2.0.0 Ok');
  });
});

describe('limits', () => {
  test('after smtpd_soft_error_limit errors replies take smtpd_error_sleep_time', async () => {
    const { port } = await startSmtpd({ softErrorLimit: 2, errorSleepTime: 100 });
    const client = await RawClient.greeted(port);
    await client.command('FOO');
    const start = performance.now();
    await client.command('FOO');
    await client.command('NOOP');
    expect(performance.now() - start).toBeGreaterThan(190);
  });

  test('smtpd_client_connection_count_limit', async () => {
    const { port, lines } = await startSmtpd({
      clientConnectionCountLimit: 2,
      clientEventLimitExceptions: [],
    });
    const first = await RawClient.greeted(port);
    await RawClient.greeted(port);
    const third = await RawClient.connect(port);
    expect(await third.rest()).toBe(
      '421 4.7.0 mx.example.com Error: too many connections from unknown[127.0.0.1]\r\n',
    );
    third.end();
    expect(lines.matching(/^warning/)).toEqual([
      'warning: Connection concurrency limit exceeded: 3 from unknown[127.0.0.1] for service smtpd',
    ]);
    await lines.line(/^disconnect/);
    await first.command('QUIT');
    first.end();
    await first.rest();
    const fourth = await RawClient.connect(port);
    expect(await fourth.reply()).toMatch(/^220/);
  });

  test('per-request deadline: a client that drips commands is cut off', async () => {
    const { port, lines } = await startSmtpd({ perRequestDeadline: true, timeout: 1000 });
    const client = await RawClient.greeted(port);
    await client.command('EHLO x');
    const drip = setInterval(() => client.send('x'), 50);
    const rest = await client.rest();
    clearInterval(drip);
    client.end();
    expect(rest).toBe('421 4.4.2 mx.example.com Error: timeout exceeded\r\n');
    await lines.line(/^disconnect/);
  });

  test('per-request deadline: content earns time at smtpd_min_data_rate', async () => {
    const { port, received } = await startSmtpd({
      perRequestDeadline: true,
      timeout: 1000,
      minDataRate: 100,
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA');
    // 100 bytes a second are wanted; 20 every tenth of a second are more.
    for (let i = 0; i < 15; i++) {
      client.send(`${'x'.repeat(18)}\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await client.command('.')).toMatch(/^250/);
    expect(received).toHaveLength(1);
  });
});
