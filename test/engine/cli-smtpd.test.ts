/** `mxtls smtpd` as a program: where messages go, who may send them, how it ends. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { mxtls, parameters, Run, sendArguments, smtpdCommand } from '../helpers/command.js';
import { RawClient } from '../helpers/raw-client.js';

const tls = parameters(
  'smtpd_tls_security_level=may',
  `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`,
  'smtpd_tls_loglevel=1',
);

function temporaryMaildir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, 'mail');
}

function mails(maildir: string): string[] {
  const folder = join(maildir, 'new');
  return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
}

test('a message becomes a file of the Maildir before the client is told so', async () => {
  const maildir = temporaryMaildir();
  const port = await smtpdCommand('--maildir', maildir).port();
  const client = await RawClient.greeted(port);
  await client.commands('EHLO client.example', 'MAIL FROM:<a@client.example>');
  await client.commands('RCPT TO:<b@mx.example>', 'RCPT TO:<c@mx.example>', 'DATA');
  const reply = await client.command('Subject: x\r\n\r\n..dot\r\nlast\r\n.');
  const [mail, ...others] = mails(maildir);
  expect(reply).toMatch(/^250 2\.0\.0 Ok: queued as [0-9A-F]+$/);
  expect(others).toEqual([]);
  expect(mail?.startsWith('Return-Path: <a@client.example>\n')).toBe(true);
  expect(mail?.match(/^Delivered-To: .*$/gm)).toEqual([
    'Delivered-To: b@mx.example',
    'Delivered-To: c@mx.example',
  ]);
  expect(mail?.endsWith('\nSubject: x\n\n.dot\nlast\n')).toBe(true);
});

test('the log says where a message is', async () => {
  const maildir = temporaryMaildir();
  const smtpd = smtpdCommand('--maildir', maildir);
  await mxtls(sendArguments(await smtpd.port()), 'Subject: x\n\nhello\n');
  await smtpd.logged('disconnect from');
  const [name] = readdirSync(join(maildir, 'new'));
  expect(smtpd.stderr).toMatch(
    /^mxtls\/smtpd\[\d+\]: [0-9A-F]+: from=<a@client\.example>, size=\d+, nrcpt=1 \(delivered to maildir as \S+\)$/m,
  );
  expect(smtpd.stderr).toContain(`as ${name})`);
});

test('a message that cannot be written is refused for now, and nothing is left of it', async () => {
  const maildir = temporaryMaildir();
  const smtpd = smtpdCommand('--maildir', maildir);
  const port = await smtpd.port();
  rmSync(join(maildir, 'new'), { recursive: true });
  writeFileSync(join(maildir, 'new'), '');
  const { code, stdout } = await mxtls(sendArguments(port), 'Subject: x\n\nhello\n');
  expect(code).toBe(75);
  expect(stdout).toMatch(/dsn=4\.3\.0, status=deferred \(.* 451 4\.3\.0 Error: mail file write/);
  expect(readdirSync(join(maildir, 'tmp'))).toEqual([]);
  await smtpd.logged(`cannot write to maildir ${maildir}: Not a directory`);
  rmSync(join(maildir, 'new'));
  expect((await mxtls(sendArguments(port), 'Subject: x\n\nhello\n')).code).toBe(0);
  expect(mails(maildir)).toHaveLength(1);
});

test('a client that goes away leaves nothing', async () => {
  const maildir = temporaryMaildir();
  const smtpd = smtpdCommand('--maildir', maildir);
  const client = await RawClient.greeted(await smtpd.port());
  await client.commands('EHLO x', 'MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>', 'DATA');
  client.send('Subject: half a message\r\n');
  client.reset();
  await smtpd.logged('disconnect from');
  smtpd.child.kill('SIGTERM');
  expect(await smtpd.exit).toBe(0);
  expect(readdirSync(join(maildir, 'tmp'))).toEqual([]);
  expect(mails(maildir)).toEqual([]);
});

test('without --maildir a message is discarded, with a warning', async () => {
  const smtpd = smtpdCommand(...tls);
  const { code, stdout } = await mxtls(
    sendArguments(await smtpd.port(), ...parameters('smtp_tls_security_level=encrypt')),
    'Subject: test\n\nhello\n',
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/tls=encrypt, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as \w+\)/);
  smtpd.child.kill('SIGTERM');
  expect(await smtpd.exit).toBe(0);
  expect(smtpd.stdout).toMatch(/^listening 127\.0\.0\.1:\d+\n$/);
  expect(smtpd.stderr).toContain('warning: no --maildir: received messages are discarded\n');
  expect(smtpd.stderr).toMatch(
    /^mxtls\/smtpd\[\d+\]: Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1\.3 /m,
  );
  expect(smtpd.stderr).toMatch(
    /^mxtls\/smtpd\[\d+\]: warning: \w+: message of \d+ bytes from unknown\[127\.0\.0\.1\] discarded$/m,
  );
});

test('with --domain only recipients there are accepted, in whatever spelling', async () => {
  const smtpd = smtpdCommand('--domain', 'mx.example', '--domain', 'Bücher.example');
  const client = await RawClient.greeted(await smtpd.port());
  await client.commands('EHLO x', 'MAIL FROM:<a@mx.example>');
  const replies = await client.commands(
    ...['b@MX.Example', 'b@xn--bcher-kva.example', 'Postmaster', 'b', 'b@sub.mx.example'].map(
      (address) => `RCPT TO:<${address}>`,
    ),
  );
  expect(replies).toEqual([
    ...Array<string>(3).fill('250 2.1.5 Ok'),
    '554 5.7.1 <b>: Relay access denied',
    '554 5.7.1 <b@sub.mx.example>: Relay access denied',
  ]);
  await smtpd.until(() => smtpd.stderr.includes('b@sub.mx.example> proto='));
  expect(smtpd.stderr).toMatch(
    /\]: [0-9A-F]+: reject: RCPT from unknown\[127\.0\.0\.1\]: 554 5\.7\.1 <b>: Relay access denied; from=<a@mx\.example> to=<b> proto=ESMTP helo=<x>$/m,
  );
});

test('it listens in many places, and on all addresses of a name', async () => {
  const smtpd = new Run(['smtpd', '--listen', '127.0.0.2:0', '--listen', 'localhost:0']);
  await smtpd.until(() => smtpd.stdout.split('\n').length > 2);
  const lines = smtpd.stdout.split('\n');
  expect(lines[0]).toMatch(/^listening 127\.0\.0\.2:\d+$/);
  expect(lines[1]).toMatch(/^listening (127\.0\.0\.1|\[::1\]):\d+$/);
  for (const line of lines.filter((text) => text.includes('127.0.0.1:'))) {
    const client = await RawClient.greeted(Number(line.split(':')[1]));
    expect(await client.command('QUIT')).toBe('221 2.0.0 Bye');
  }
});

test('the first signal finishes the message that is being received, then says goodbye', async () => {
  const maildir = temporaryMaildir();
  const smtpd = smtpdCommand('--maildir', maildir);
  const port = await smtpd.port();
  const idle = await RawClient.greeted(port);
  const client = await RawClient.greeted(port);
  await client.commands('EHLO x', 'MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>', 'DATA');
  client.send('Subject: half a message\r\n');
  smtpd.child.kill('SIGTERM');
  await smtpd.logged('SIGTERM: ending; connections open: 2');
  expect(await idle.rest()).toMatch(/^421 4\.3\.2 mx\.example Service shutting down\r\n$/);
  expect(await client.command('\r\nthe other half\r\n.')).toMatch(/^250 2\.0\.0 Ok/);
  expect(await client.rest()).toMatch(/^421 4\.3\.2 /);
  expect(await smtpd.exit).toBe(0);
  expect(mails(maildir)).toEqual([
    expect.stringMatching(/Subject: half a message\n\nthe other half\n$/),
  ]);
});

test('clients that neither hang up nor shake hands do not hold up the end', async () => {
  const smtpd = smtpdCommand(...tls);
  const port = await smtpd.port();
  const told = await RawClient.greeted(port);
  const silent = await RawClient.greeted(port);
  expect((await silent.commands('EHLO x', 'STARTTLS'))[1]).toMatch(/^220 /);
  smtpd.child.kill('SIGTERM');
  expect(await told.reply()).toMatch(/^421 4\.3\.2 /);
  expect(await smtpd.exit).toBe(0);
});

test('the second signal waits for nobody', async () => {
  const smtpd = smtpdCommand();
  const client = await RawClient.greeted(await smtpd.port());
  await client.commands('EHLO x', 'MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>', 'DATA');
  smtpd.child.kill('SIGTERM');
  await smtpd.logged('SIGTERM: ending; connections open: 1');
  smtpd.child.kill('SIGINT');
  expect(await smtpd.exit).toBe(130);
});

test('it goes on when nobody reads its log any more', async () => {
  const maildir = temporaryMaildir();
  const smtpd = smtpdCommand('--maildir', maildir);
  const port = await smtpd.port();
  smtpd.child.stderr.destroy();
  for (let i = 0; i < 3; i++) {
    expect((await mxtls(sendArguments(port), 'Subject: x\n\nhello\n')).code).toBe(0);
  }
  expect(mails(maildir)).toHaveLength(3);
});

test('SIGHUP loads the certificates anew, good ones and bad ones', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const chainFile = join(directory, 'chain.pem');
  writeFileSync(chainFile, readFileSync(certificate('ecdsa').chainFile));
  const smtpd = smtpdCommand(
    ...parameters('smtpd_tls_security_level=may', `smtpd_tls_chain_files=${chainFile}`),
  );
  await smtpd.port();
  writeFileSync(chainFile, readFileSync(certificate('ml-dsa-65').chainFile));
  smtpd.child.kill('SIGHUP');
  await smtpd.logged(': certificates reloaded: ML-DSA-65 mx.example.com\n');
  writeFileSync(chainFile, '');
  smtpd.child.kill('SIGHUP');
  await smtpd.logged(
    `warning: error loading private keys and certificates from: ${chainFile}: keeping the former certificates\n`,
  );
  smtpd.child.kill('SIGTERM');
  expect(await smtpd.exit).toBe(0);
});
