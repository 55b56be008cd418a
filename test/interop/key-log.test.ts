/** The key log: what we write about a session is what openssl writes about the same one. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { mxtls, parameters, sendArguments, smtpdCommand } from '../helpers/command.js';
import { OpensslPeer } from '../helpers/openssl-peer.js';
import { startSmtpd } from '../helpers/servers.js';

const directory = mkdtempSync(join(tmpdir(), 'mxtls-keylog-'));
let files = 0;

afterAll(() => rmSync(directory, { recursive: true }));

const newFile = (): string => join(directory, `${files++}.keys`);

/** Lines of a key log, without the comments of openssl. */
function keys(file: string): readonly string[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).sort();
}

const labels = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => line.split(' ')[0] ?? '');

const tls13 = [
  'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
  'CLIENT_TRAFFIC_SECRET_0',
  'EXPORTER_SECRET',
  'SERVER_HANDSHAKE_TRAFFIC_SECRET',
  'SERVER_TRAFFIC_SECRET_0',
];

const tls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;

describe('smtpd and s_client', () => {
  test.each([
    ['-tls1_3', tls13],
    ['-tls1_2', ['CLIENT_RANDOM']],
  ] as const)('%s', async (version, expected) => {
    const ours = newFile();
    const theirs = newFile();
    const { port, lines } = await startSmtpd({ tls, keyLogFile: ours });
    expect(lines.all).toContain(
      `warning: TLS session keys are written to ${ours}: who reads it can decrypt the sessions`,
    );
    const peer = new OpensslPeer([
      ...['s_client', '-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-quiet'],
      ...['-nocommands', '-keylogfile', theirs, version],
    ]);
    peer.say('QUIT\r\n');
    await peer.hear(/221 2\.0\.0 Bye/);
    await lines.line(/^disconnect/);
    expect(labels(keys(ours))).toEqual(expected);
    expect(keys(ours)).toEqual(keys(theirs));
    expect(statSync(ours).mode & 0o777).toBe(0o600);
  });
});

test('both engines of one session write the same, and append', async () => {
  const ours = newFile();
  const theirs = newFile();
  const { nexthop } = await startSmtpd({ tls, keyLogFile: ours });
  const smtp = new Smtp({
    logger: { info: () => undefined, warn: () => undefined },
    keyLogFile: theirs,
  });
  for (let i = 1; i <= 2; i++) {
    const request = { sender: 'a@x.example', recipients: ['b@mx.example.com'], nexthop };
    const report = await smtp.deliver({ ...request, message: 'Subject: hello\r\n\r\n' });
    expect(report.recipients[0]?.status).toBe('sent');
    expect(keys(ours)).toHaveLength(5 * i);
    expect(keys(ours)).toEqual(keys(theirs));
  }
});

test('mxtls smtpd and mxtls send have --keylog, and do not look at SSLKEYLOGFILE', async () => {
  const ours = newFile();
  const theirs = newFile();
  const unasked = newFile();
  const certificates = parameters(
    'smtpd_tls_security_level=may',
    `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`,
  );
  process.env['SSLKEYLOGFILE'] = unasked;
  try {
    const message = 'Subject: hello\n\n';
    const logging = smtpdCommand('--keylog', ours, ...certificates);
    const sent = await mxtls(sendArguments(await logging.port(), '--keylog', theirs), message);
    expect(sent.code).toBe(0);
    expect(logging.stderr).toContain(`warning: TLS session keys are written to ${ours}`);
    expect(sent.stderr).toContain(`warning: TLS session keys are written to ${theirs}`);
    expect(labels(keys(ours))).toEqual(tls13);
    expect(keys(theirs)).toEqual(keys(ours));
    const silent = smtpdCommand(...certificates);
    expect((await mxtls(sendArguments(await silent.port()), message)).code).toBe(0);
  } finally {
    delete process.env['SSLKEYLOGFILE'];
  }
  expect(() => statSync(unasked)).toThrow(/ENOENT/);
});

test.each([
  ['', 'INVALID_ARGUMENT'],
  [7, 'INVALID_ARGUMENT'],
])('keyLogFile %j is refused', async (keyLogFile, code) => {
  const wrong = { keyLogFile } as { readonly keyLogFile: string };
  await expect(startSmtpd({ tls, ...wrong })).rejects.toMatchObject({ code });
  expect(() => new Smtp(wrong)).toThrow(expect.objectContaining({ code }));
});

test('a file that cannot be used is an error, and no reason to go on without TLS', async () => {
  const keyLogFile = '/nonexistent/session.keys';
  const failure = { class: 'config', code: 'KEYLOG_FILE' };
  await expect(startSmtpd({ tls, keyLogFile })).rejects.toMatchObject(failure);
  expect(() => new Smtp({ keyLogFile })).toThrow(expect.objectContaining(failure));
  const { code, stderr } = await mxtls(sendArguments(1, '--keylog', keyLogFile), 'x\n\n');
  expect(code).toBe(78);
  expect(stderr).toContain('the key log file /nonexistent/session.keys cannot be opened');
});
