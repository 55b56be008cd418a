/** The limits of the smtpd engine at their last step, with Postfix's defaults; see `transcripts.test.ts` for smaller ones. */
import { describe, expect, test } from 'vitest';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';

const envelope = ['MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>'] as const;

describe('defaults', () => {
  test('smtpd_junk_command_limit 100: the 102nd in a row is the first error, the twentieth error the end', async () => {
    const { port, lines } = await startSmtpd();
    const client = await RawClient.greeted(port);
    client.send('NOOP\r\n'.repeat(150));
    const replies = (await client.rest()).trimEnd().split('\r\n');
    expect(replies.pop()).toBe('421 4.7.0 mx.example.com Error: too many errors');
    expect(replies).toEqual(new Array(121).fill('250 2.0.0 Ok'));
    client.end();
    expect(await lines.line(/^disconnect/)).toContain('noop=121 commands=121');
    expect(await lines.line(/too many errors/)).toBe(
      'NOQUEUE: too many errors after NOOP from unknown[127.0.0.1]',
    );
  });

  test('smtpd_recipient_limit 1000', async () => {
    const { port, received } = await startSmtpd();
    const client = await RawClient.greeted(port);
    await client.command('MAIL FROM:<a@example.org>');
    client.send(Array.from({ length: 1001 }, (_, i) => `RCPT TO:<${i}@example.com>\r\n`).join(''));
    for (let i = 0; i < 1000; i++) {
      expect(await client.reply()).toBe('250 2.1.5 Ok');
    }
    expect(await client.reply()).toBe('452 4.5.3 Error: too many recipients');
    await client.commands('DATA', 'x\r\n.');
    expect(received[0]?.recipients).toHaveLength(1000);
  });

  test('smtpd_soft_error_limit 10: the tenth error is answered late', async () => {
    const { port } = await startSmtpd({ errorSleepTime: 300 });
    const client = await RawClient.greeted(port);
    client.send('FOO\r\n'.repeat(10));
    const times: number[] = [];
    const start = performance.now();
    for (let i = 0; i < 10; i++) {
      await client.reply();
      times.push(performance.now() - start);
    }
    expect((times[9] ?? 0) - (times[8] ?? 0)).toBeGreaterThan(250);
    expect(times[8]).toBeLessThan(250);
  });
});

describe('message_size_limit', () => {
  const options = { messageSizeLimit: 1000 } as const;
  const tooBig = '552 5.3.4 Error: message file too big';

  test.each([
    [1000, /^250 2\.0\.0 Ok: queued/],
    [1001, tooBig],
  ])('a message of %i bytes by DATA', async (size, reply) => {
    const { port } = await startSmtpd(options);
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA');
    const answer = await client.command(`${'x'.repeat(size - 2)}\r\n.`);
    expect(answer).toMatch(reply);
  });

  test.each([
    [1000, /^250 2\.0\.0 Ok: 1000 bytes queued/],
    [1001, '552 5.3.4 Chunk exceeds message size limit'],
  ])('a message of %i bytes by BDAT', async (size, reply) => {
    const { port } = await startSmtpd(options);
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    client.send(`BDAT ${size} LAST\r\n${'x'.repeat(size - 2)}\r\n`);
    expect(await client.reply()).toMatch(reply);
  });
});

describe('time', () => {
  test('without a deadline a client that drips within smtpd_timeout goes on', async () => {
    const { port } = await startSmtpd({ timeout: 1000 });
    const client = await RawClient.greeted(port);
    for (const letter of 'NOOP 1234567890') {
      client.send(letter);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await client.command('')).toBe('250 2.0.0 Ok');
  });

  test('content slower than smtpd_min_data_rate is cut off under a deadline', async () => {
    const { port, received, lines } = await startSmtpd({
      perRequestDeadline: true,
      timeout: 1000,
      minDataRate: 1000,
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA');
    const drip = setInterval(() => client.send('12345678\r\n'), 100); // a tenth of what is wanted
    const rest = await client.rest();
    clearInterval(drip);
    client.end();
    expect(rest).toBe('421 4.4.2 mx.example.com Error: timeout exceeded\r\n');
    expect(await lines.line(/timeout after/)).toMatch(/timeout after DATA \(\d+ bytes\)/);
    expect(received).toEqual([]);
  });
});
