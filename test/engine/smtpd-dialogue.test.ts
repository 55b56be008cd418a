/** Mail through the smtpd engine in plaintext. What it replies to what is in `transcripts.test.ts`. */
import { describe, expect, test } from 'vitest';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';

describe('greeting and hello', () => {
  test('greets with the banner', async () => {
    const { port } = await startSmtpd({ mailName: 'tester' });
    const client = await RawClient.connect(port);
    expect(await client.reply()).toBe('220 mx.example.com ESMTP tester');
  });

  test('a line beyond line_length_limit is refused, and the dialogue goes on', async () => {
    const { port } = await startSmtpd({ lineLengthLimit: 512 });
    const client = await RawClient.greeted(port);
    expect(await client.command(`NOOP ${'x'.repeat(507)}`)).toBe('250 2.0.0 Ok');
    expect(await client.command(`NOOP ${'x'.repeat(508)}`)).toBe('500 5.5.2 Error: line too long');
    expect(await client.command(`NOOP ${'x'.repeat(100_000)}`)).toBe(
      '500 5.5.2 Error: line too long',
    );
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
  });

  test('twenty refused commands end the session', async () => {
    const { port, lines } = await startSmtpd();
    const client = await RawClient.greeted(port);
    client.send('FOO\r\n'.repeat(30));
    const replies = (await client.rest()).split('\r\n');
    expect(replies.slice(19)).toEqual([
      '500 5.5.2 Error: command not recognized',
      '421 4.7.0 mx.example.com Error: too many errors',
      '',
    ]);
    client.end();
    expect(await lines.line(/^disconnect/)).toBe(
      'disconnect from unknown[127.0.0.1] unknown=0/20 commands=0/20',
    );
  });
});

describe('mail transaction', () => {
  test('in lock step', async () => {
    const { port, received, lines } = await startSmtpd();
    const client = await RawClient.greeted(port);
    expect(
      await client.commands(
        'HELO client.example',
        'MAIL FROM:<a@example.org>',
        'RCPT TO:<b@example.com>',
        'RCPT TO:<c@example.com>',
        'DATA',
      ),
    ).toEqual([
      '250 mx.example.com',
      '250 2.1.0 Ok',
      '250 2.1.5 Ok',
      '250 2.1.5 Ok',
      '354 End data with <CR><LF>.<CR><LF>',
    ]);
    expect(await client.command('Subject: x\r\n\r\n..dot\r\n.')).toMatch(
      /^250 2\.0\.0 Ok: queued as [0-9A-F]+$/,
    );
    expect(await client.command('QUIT')).toBe('221 2.0.0 Bye');
    expect(await client.rest()).toBe('');
    client.end();
    expect(received).toMatchObject([
      {
        sender: 'a@example.org',
        recipients: ['b@example.com', 'c@example.com'],
        content: Buffer.from('Subject: x\r\n\r\n.dot\r\n'),
      },
    ]);
    expect(await lines.line(/^disconnect/)).toBe(
      'disconnect from unknown[127.0.0.1] helo=1 mail=1 rcpt=2 data=1 quit=1 commands=6',
    );
  });

  test('pipelined in one packet, twice over', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    const mail = 'MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nhello\r\n.\r\n';
    client.send(`EHLO client.example\r\n${mail}${mail}QUIT\r\n`);
    const codes = (await client.rest()).match(/^\d{3} /gm);
    expect(codes?.join('')).toBe('250 250 250 354 250 250 250 354 250 221 ');
    expect(received.map(({ content }) => content.toString())).toEqual(['hello\r\n', 'hello\r\n']);
  });

  test('byte by byte', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    const text =
      'EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\n..a\r\nb\r\n.\r\nNOOP\r\nQUIT\r\n';
    for (const byte of Buffer.from(text)) {
      client.send(Buffer.of(byte));
    }
    expect((await client.rest()).match(/^\d{3} /gm)?.join('')).toBe('250 250 250 354 250 250 221 ');
    expect(received[0]?.content.toString()).toBe('.a\r\nb\r\n');
  });

  test('a second MAIL is refused, RSET and EHLO end the transaction', async () => {
    const { port } = await startSmtpd();
    const client = await RawClient.greeted(port);
    expect(
      await client.commands(
        'MAIL FROM:<a@example.org>',
        'MAIL FROM:<a@example.org>',
        'RSET',
        'RCPT TO:<b@example.com>',
        'MAIL FROM:<a@example.org>',
        'EHLO x',
        'RCPT TO:<b@example.com>',
        'MAIL FROM:<a@example.org>',
        'DATA',
      ),
    ).toEqual([
      '250 2.1.0 Ok',
      '503 5.5.1 Error: nested MAIL command',
      '250 2.0.0 Ok',
      '503 5.5.1 Error: need MAIL command',
      '250 2.1.0 Ok',
      expect.stringContaining('250-mx.example.com'),
      '503 5.5.1 Error: need MAIL command',
      '250 2.1.0 Ok',
      '554 5.5.1 Error: no valid recipients',
    ]);
  });

  test('more recipients than smtpd_recipient_limit are refused one by one', async () => {
    const { port } = await startSmtpd({ recipientLimit: 2 });
    const client = await RawClient.greeted(port);
    const rcpt = 'RCPT TO:<b@example.com>';
    expect(await client.commands('MAIL FROM:<>', rcpt, rcpt, rcpt)).toEqual([
      '250 2.1.0 Ok',
      '250 2.1.5 Ok',
      '250 2.1.5 Ok',
      '452 4.5.3 Error: too many recipients',
    ]);
  });

  test('a message beyond message_size_limit is read to its end and refused', async () => {
    const { port, received, lines } = await startSmtpd({ messageSizeLimit: 1000 });
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA');
    expect(await client.command(`${'x'.repeat(99)}\r\n`.repeat(2000).concat('.'))).toBe(
      '552 5.3.4 Error: message file too big',
    );
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
    expect(received).toEqual([]);
    expect(lines.matching(/callback/)).toEqual([]);
  });

  test('an empty message is a message', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA');
    expect(await client.command('.')).toMatch(/^250 /);
    expect(received[0]?.content.length).toBe(0);
  });

  test('several MiB arrive unchanged', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.commands('MAIL FROM:<>', 'RCPT TO:<b@example.com>', 'DATA');
    const lines = Array.from({ length: 60_000 }, (_, i) => `.${'y'.repeat(i % 90)} ${i}\r\n`);
    const wire = lines.map((line) => `.${line}`).join('');
    expect(await client.command(`${wire}.`)).toMatch(/^250 /);
    expect(received[0]?.content.equals(Buffer.from(lines.join('')))).toBe(true);
  });
});
