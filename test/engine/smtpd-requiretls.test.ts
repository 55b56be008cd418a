/** REQUIRETLS (RFC 8689) as receiver: what callbacks learn of it, and what becomes of the message. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SmtpdOptions } from '../../lib/server.js';
import { certificate } from '../helpers/certificates.js';
import { Run } from '../helpers/command.js';
import { RawClient } from '../helpers/raw-client.js';
import { collect, startSmtpd } from '../helpers/servers.js';
import { secure } from '../helpers/tls-client.js';

const tls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;
const added = 'Require-TLS-ESMTP: yes\r\n';
const plain = 'Subject: x\r\n\r\nbody\r\n';

interface Seen {
  /** At MAIL, at RCPT, and of the message at its beginning and its end. */
  readonly mail: boolean[];
  readonly rcpt: boolean[];
  readonly message: boolean[];
  content: string;
  bytes: number;
}

/** A message over TLS, or without; what callbacks saw. */
async function send(
  message: string,
  { parameter = 'REQUIRETLS', inTls = true, bdat = false, options = {} as Partial<SmtpdOptions> },
): Promise<Seen> {
  const seen: Seen = { mail: [], rcpt: [], message: [], content: '', bytes: 0 };
  const { port } = await startSmtpd({
    tls,
    onMail: (_, sender) => void seen.mail.push(sender.requiretls),
    onRcpt: ({ sender }) => void seen.rcpt.push(sender?.requiretls ?? false),
    onData: async (_, incoming) => {
      seen.message.push(incoming.requiretls);
      seen.content = (await collect(incoming)).toString();
      seen.message.push(incoming.requiretls);
      seen.bytes = incoming.bytes;
    },
    ...options,
  });
  let client: RawClient = await RawClient.greeted(port);
  if (inTls) {
    await client.command('STARTTLS');
    client = await secure(client);
  }
  await client.command('EHLO x');
  const mail = `MAIL FROM:<a@example.org> ${parameter}`.trim();
  expect(await client.commands(mail, 'RCPT TO:<b@example.com>')).toEqual([
    '250 2.1.0 Ok',
    '250 2.1.5 Ok',
  ]);
  if (bdat) {
    for (const [i, byte] of [...message].entries()) {
      client.send(`BDAT 1${i === message.length - 1 ? ' LAST' : ''}\r\n${byte}`);
      expect(await client.reply()).toMatch(/^250 /);
    }
  } else {
    await client.command('DATA');
    expect(await client.command(`${message}.`)).toMatch(/^250 2\.0\.0 Ok/);
  }
  client.end();
  return seen;
}

describe('MAIL with REQUIRETLS', () => {
  test('all callbacks know, and the message gets the header', async () => {
    const seen = await send(plain, {});
    expect([seen.mail, seen.rcpt, seen.message]).toEqual([[true], [true], [true, true]]);
    expect(seen.content).toBe(`Subject: x\r\n${added}\r\nbody\r\n`);
    expect(seen.bytes).toBe(seen.content.length);
  });

  test('a message that has the header keeps the one it has', async () => {
    const message = `require-tls-esmtp: YES\r\n${plain}`;
    const seen = await send(message, {});
    expect(seen.message).toEqual([true, true]);
    expect(seen.content).toBe(message);
  });

  test('requiretls_esmtp_header = no: callbacks know, the message is left alone', async () => {
    const seen = await send(plain, { options: { requiretlsEsmtpHeader: false } });
    expect([seen.mail, seen.rcpt, seen.message]).toEqual([[true], [true], [true, true]]);
    expect(seen.content).toBe(plain);
  });

  test('in chunks of single bytes', async () => {
    const seen = await send('A: b\r\n\r\nc\r\n', { bdat: true });
    expect(seen.content).toBe(`A: b\r\n${added}\r\nc\r\n`);
    expect(seen.bytes).toBe(seen.content.length);
  });

  test('what is added does not count for message_size_limit', async () => {
    const seen = await send(plain, { options: { messageSizeLimit: plain.length } });
    expect(seen.content).toContain(added);
  });
});

describe('MAIL without REQUIRETLS', () => {
  test('nobody knows of anything, and the message is left alone', async () => {
    const seen = await send(plain, { parameter: '' });
    expect([seen.mail, seen.rcpt, seen.message]).toEqual([[false], [false], [false, false]]);
    expect(seen.content).toBe(plain);
  });

  test.each([true, false])('a header is a request; TLS: %s', async (inTls) => {
    const message = `${added}${plain}`;
    const seen = await send(message, { parameter: '', inTls });
    expect([seen.mail, seen.rcpt, seen.message]).toEqual([[false], [false], [false, true]]);
    expect(seen.content).toBe(message);
  });

  test.each([{ requiretlsEsmtpHeader: false }, { requiretlsEnable: false }])(
    'a header is none with %o',
    async (options) => {
      const seen = await send(`${added}${plain}`, { parameter: '', options });
      expect(seen.message).toEqual([false, false]);
    },
  );
});

test('a transaction knows nothing of the one before', async () => {
  const known: boolean[] = [];
  const { port, received } = await startSmtpd({
    tls,
    onRcpt: ({ sender }) => void known.push(sender?.requiretls ?? false),
  });
  const hello = await RawClient.greeted(port);
  await hello.command('STARTTLS');
  const client = await secure(hello);
  await client.command('EHLO x');
  for (const mail of ['MAIL FROM:<a@example.org> REQUIRETLS', 'MAIL FROM:<a@example.org>']) {
    await client.commands(mail, 'RCPT TO:<b@example.com>', 'DATA');
    await client.command(`${plain}.`);
  }
  expect(known).toEqual([true, false]);
  expect(received.map(({ content }) => content.toString().includes(added))).toEqual([true, false]);
  client.end();
});

test('the Received: header says nothing of it', async () => {
  const headers: string[] = [];
  const server = await startSmtpd({
    tls: { ...tls, receivedHeader: true },
    onRcpt: (session) => void headers.push(server.smtpd.receivedHeader(session, new Date(0))),
  });
  const hello = await RawClient.greeted(server.port);
  await hello.command('STARTTLS');
  const client = await secure(hello);
  await client.command('EHLO x');
  for (const parameter of [' REQUIRETLS', '']) {
    const mail = `MAIL FROM:<a@example.org>${parameter}`;
    await client.commands(mail, 'RCPT TO:<b@example.com>', 'RSET');
  }
  const [required = '', free = ''] = headers.map((text) => text.replace(/ id \w+/, ' id ID'));
  expect(required).toBe(free);
  expect(required).toContain('(mxtls) with ESMTPS id ID; ');
  client.end();
});

test('mxtls smtpd --maildir: the request is kept with the message', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-requiretls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const maildir = join(folder, 'mail');
  const run = new Run([
    ...['smtpd', '--listen', '127.0.0.1:0', '--domain', 'example.com', '--maildir', maildir],
    ...['-o', 'smtpd_tls_security_level=may'],
    ...['-o', `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`],
  ]);
  const hello = await RawClient.greeted(await run.port());
  await hello.command('STARTTLS');
  const client = await secure(hello);
  await client.command('EHLO x');
  const mail = 'MAIL FROM:<a@example.org> REQUIRETLS';
  await client.commands(mail, 'RCPT TO:<b@example.com>', 'DATA');
  expect(await client.command(`${plain}.`)).toMatch(/^250 2\.0\.0 Ok/);
  client.end();
  const [file = ''] = readdirSync(join(maildir, 'new'));
  const stored = readFileSync(join(maildir, 'new', file), 'utf8');
  expect(stored).toMatch(/^Return-Path: [\s\S]*^Subject: x\nRequire-TLS-ESMTP: yes\n\nbody\n$/m);
});
