/**
 * SMTP smuggling, receiving: whatever stands in a message, it is one message or none, and none of the
 * commands in it is carried out. Compared with Postfix in `bare-newline-*.txt` of the transcripts.
 */
import { describe, expect, test } from 'vitest';
import { optionsFromParameters, readAssignments } from '../../lib/config/from-parameters.js';
import { bytewise } from '../helpers/pieces.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';
import { carrier, vectors } from '../helpers/smuggling.js';

const modes = ['normalize', 'yes', 'reject', 'note', 'no'] as const;
const hasBareLf = /(?:^|[^\r])\n/;

/** Commands of one delivery; the message has to be sent then. */
async function inData(port: number): Promise<RawClient> {
  const client = await RawClient.greeted(port);
  await client.commands('EHLO relay.example', 'MAIL FROM:<mallory@example.org>');
  await client.commands('RCPT TO:<b@example.com>', 'DATA');
  return client;
}

describe.each(modes)('smtpd_forbid_bare_newline = %s', (mode) => {
  const { smtpd: options } = optionsFromParameters(
    readAssignments([
      `smtpd_forbid_bare_newline=${mode}`,
      'smtpd_forbid_bare_newline_exclusions=',
      'smtpd_forbid_unauth_pipelining=no', // nothing else may stand in the way
    ]),
    'smtpd',
  );

  test.each(vectors)('%s: one message or none, by DATA', async (_, sequence) => {
    for (const split of [(text: string) => [Buffer.from(text)], bytewise]) {
      const { port, received, lines } = await startSmtpd(options);
      const client = await inData(port);
      for (const piece of split(`${carrier(sequence)}\r\n.\r\nQUIT\r\n`)) {
        client.send(piece);
      }
      const replies = (await client.rest()).trimEnd().split('\r\n');
      client.end();
      const counts = await lines.line(/^disconnect/);
      if (mode === 'reject' && hasBareLf.test(sequence)) {
        expect(replies).toEqual(['550 5.5.2 mx.example.com Error: bare <LF> received']);
        expect(received).toEqual([]);
        expect(counts).toContain('mail=1 rcpt=1 data=0/1 commands=3/4');
      } else {
        expect(replies).toEqual([expect.stringMatching(/^250 2\.0\.0 Ok/), '221 2.0.0 Bye']);
        expect(received.map(({ sender }) => sender)).toEqual(['mallory@example.org']);
        expect(received[0]?.content.toString()).toContain('MAIL FROM:<admin@bank.example>\r\n');
        expect(received[0]?.content.toString()).not.toMatch(hasBareLf);
        expect(counts).toContain('mail=1 rcpt=1 data=1 quit=1 commands=5');
      }
    }
  });

  test.each(vectors)('%s: one message or none, by BDAT', async (_, sequence) => {
    const { port, received } = await startSmtpd(options);
    const client = await RawClient.greeted(port);
    await client.commands('EHLO relay.example', 'MAIL FROM:<mallory@example.org>');
    await client.command('RCPT TO:<b@example.com>');
    const content = `${carrier(sequence)}\r\n`;
    client.send(`BDAT ${content.length} LAST\r\n${content}QUIT\r\n`);
    const replies = (await client.rest()).trimEnd().split('\r\n');
    if (mode === 'reject' && hasBareLf.test(sequence)) {
      expect(replies).toEqual(['550 5.5.2 mx.example.com Error: bare <LF> received']);
      expect(received).toEqual([]);
    } else {
      expect(replies).toEqual([expect.stringMatching(/^250 2\.0\.0 Ok/), '221 2.0.0 Bye']);
      expect(received).toHaveLength(1);
      expect(received[0]?.content.toString()).not.toMatch(hasBareLf);
    }
  });
});

test('CR CRLF . CRLF has the true end in it, and is one for us as for everybody', async () => {
  const { port, received } = await startSmtpd();
  const client = await inData(port);
  client.send('outer text\r\r\n.\r\nQUIT\r\n');
  expect(await client.rest()).toMatch(/^250 2\.0\.0 Ok: queued as \w+\r\n221 2\.0\.0 Bye\r\n$/);
  expect(received[0]?.content.toString()).toBe('outer text\r\r\n');
});

// The other half of the attack: a server that takes what a client sends ahead helps it.
test('CVE-2023-51764: commands sent ahead of their turn end the session (smtpd_forbid_unauth_pipelining)', async () => {
  const { port, received } = await startSmtpd({ forbidUnauthPipelining: true });
  const client = await inData(port);
  client.send('outer text\r\n.\r\nMAIL FROM:<admin@bank.example>\r\n');
  client.send('RCPT TO:<victim@example.com>\r\nDATA\r\nsmuggled\r\n.\r\n');
  expect(await client.rest()).toContain('554 5.5.0 Error: SMTP protocol synchronization');
  expect(received).toHaveLength(1);
});
