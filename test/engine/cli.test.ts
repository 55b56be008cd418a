/** The command mxtls as a program: exit codes, what goes where, signals. Runs dist/, which `npm test` builds first. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type DemoKeys, makeDemoKeys } from '../../lib/cli/demo-keys.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'mxtls-cli-'));
const message = join(directory, 'message.eml');
const children = new Set<ChildProcessWithoutNullStreams>();
let keys: DemoKeys;

beforeAll(async () => {
  keys = await makeDemoKeys(directory, 'mx.example');
  writeFileSync(message, 'Subject: test\n\nhello\n');
});

afterEach(() => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
});

afterAll(() => rmSync(directory, { recursive: true }));

class Run {
  readonly child: ChildProcessWithoutNullStreams;
  readonly exit: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [main, ...args]);
    children.add(this.child);
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exit = new Promise((resolve) => {
      this.child.on('close', (code) => {
        children.delete(this.child);
        resolve(code);
      });
    });
  }

  /** The address of the first `listening` line. */
  async listening(): Promise<string> {
    for (;;) {
      const address = /^listening (\S+)\n/.exec(this.stdout)?.[1];
      if (address !== undefined) {
        return address;
      }
      await new Promise((resolve) => this.child.stdout.once('data', resolve));
    }
  }
}

async function finish(args: readonly string[], input = ''): Promise<Run & { code: number | null }> {
  const run = new Run(args);
  run.child.stdin.end(input);
  return Object.assign(run, { code: await run.exit });
}

const server = (...options: readonly string[]): Run =>
  new Run([
    'smtpd',
    '--listen',
    '127.0.0.1:0',
    '-o',
    'myhostname=mx.example',
    ...options.flatMap((option) => ['-o', option]),
  ]);

const send = (address: string, ...options: readonly string[]): readonly string[] => [
  'send',
  ...[
    '--from',
    'a@client.example',
    '--to',
    'b@mx.example',
    '--nexthop',
    address.replace(/^(.*):/, '[$1]:'),
  ],
  ...options.flatMap((option) => ['-o', option]),
];

test.each([['--help'], ['demo', '--help'], ['smtpd', '-h'], ['send', '--help'], ['help', 'send']])(
  'mxtls %s %s explains itself with examples on standard output',
  async (...args) => {
    const { code, stdout, stderr } = await finish(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: mxtls [\s\S]*\nExamples?:\n {2}\S/);
  },
);

test('mxtls --version --json tells which OpenSSL is in use', async () => {
  const { code, stdout } = await finish(['--version', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    mxtls: expect.stringMatching(/^\d+\.\d+\.\d+/),
    node: process.versions.node,
    openssl: {
      headers: expect.stringMatching(/^3\./),
      runtime: expect.stringMatching(/^3\./),
      path: expect.any(String),
      mode: expect.stringMatching(/^(static|dynamic)$/),
      nodeSharesSystem: expect.any(Boolean),
    },
  });
});

test.each([
  [[], 64, /^mxtls: no command/],
  [['smptd'], 64, /did you mean "smtpd"\?/],
  [['smtpd'], 64, /nowhere to listen.*\nTry "mxtls smtpd --help"/],
  [['smtpd', '--listen', '25'], 64, /is no address with port/],
  [
    ['smtpd', '--listen', '127.0.0.1:0', '-o', 'smtpd_tls_chain_file=x'],
    64,
    /did you mean "smtpd_tls_chain_files"/,
  ],
  [['smtpd', '--listen', '127.0.0.1:0', '-o', 'smtpd_timeout=soon'], 64, /write a time such as/],
  [
    ['smtpd', '--listen', '127.0.0.1:0', '-o', 'smtpd_tls_security_level=may'],
    78,
    /No server certs/,
  ],
  [
    ['smtpd', '--listen', '127.0.0.1:0', '-o', 'tls_config_file=/nonexistent.cnf'],
    78,
    /nonexistent\.cnf/,
  ],
  [['smtpd', '--listen', '192.0.2.1:25'], 78, /cannot listen on 192\.0\.2\.1/],
  [['send'], 64, /--from is missing/],
  [
    ['send', '--from', '', '--to', 'b@mx.example', '--nexthop', 'mx.example'],
    64,
    /write \[host\]:port/,
  ],
  [
    [
      'send',
      '--from',
      '',
      '--to',
      'b@mx.example',
      '--nexthop',
      '[127.0.0.1]:25',
      '/nonexistent.eml',
    ],
    66,
    /No such file or directory/,
  ],
  [
    [
      'send',
      '--from',
      '',
      '--to',
      'b@mx.example',
      '--nexthop',
      '[127.0.0.1]:25',
      '-o',
      'smtp_tls_CAfile=/nonexistent.pem',
    ],
    78,
    /nonexistent\.pem/,
  ],
  [
    [
      'send',
      '--from',
      '',
      '--to',
      'b@mx.example',
      '--nexthop',
      '[127.0.0.1]:25',
      '-o',
      'smtp_tls_security_level=secure',
    ],
    64,
    /not implemented in this version/,
  ],
])('mxtls %j ends with %i', async (args, code, text) => {
  const run = await finish(args);
  expect(run.stderr).toMatch(text);
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code, stdout: '' });
});

test('a message goes from send to smtpd under TLS, and both say so', async () => {
  const smtpd = server(
    'smtpd_tls_security_level=may',
    `smtpd_tls_chain_files=${keys.chainFile}`,
    'smtpd_tls_loglevel=1',
  );
  const run = await finish([
    ...send(await smtpd.listening(), 'smtp_tls_security_level=encrypt'),
    message,
  ]);
  expect(run.code).toBe(0);
  expect(run.stdout).toMatch(
    /^Untrusted TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1\.3 with cipher .*\n\w+: to=<b@mx\.example>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, delay=.*, tls=encrypt, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as \w+\)\n$/,
  );
  smtpd.child.kill('SIGTERM');
  expect(await smtpd.exit).toBe(0);
  expect(smtpd.stdout).toMatch(/^listening 127\.0\.0\.1:\d+\n$/);
  expect(smtpd.stderr).toMatch(
    /^mxtls\/smtpd\[\d+\]: Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1\.3 /m,
  );
  expect(smtpd.stderr).toMatch(
    /^mxtls\/smtpd\[\d+\]: warning: \w+: message of 24 bytes from unknown\[127\.0\.0\.1\] discarded$/m,
  );
});

test('the message can come from standard input, and go in plaintext', async () => {
  const smtpd = server();
  const run = await finish([...send(await smtpd.listening()), '-'], 'Subject: test\r\n\r\n.\r\n');
  expect(run.code).toBe(0);
  expect(run.stdout).toMatch(
    /^\w+: to=<b@mx\.example>, .*, tls=may:none, dsn=2\.0\.0, status=sent \(.*\)\n$/,
  );
});

test('TLS that is required and not offered is deferred: exit code 75', async () => {
  const smtpd = server();
  const run = await finish([
    ...send(await smtpd.listening(), 'smtp_tls_security_level=encrypt'),
    message,
  ]);
  expect(run.code).toBe(75);
  expect(run.stdout).toMatch(
    /tls=!encrypt, dsn=4\.7\.4, status=deferred \(TLS is required, but was not offered by host /,
  );
});

test('a refused message is exit code 69', async () => {
  const smtpd = server('message_size_limit=600');
  const run = await finish([...send(await smtpd.listening()), '-'], 'x\r\n'.repeat(1000));
  expect(run.code).toBe(69);
  expect(run.stdout).toMatch(/dsn=5\.3\.4, status=bounced \(/);
});

test('nobody listening is deferred', async () => {
  const smtpd = server();
  const address = await smtpd.listening();
  smtpd.child.kill('SIGINT');
  expect(await smtpd.exit).toBe(0);
  const run = await finish([...send(address), message]);
  expect(run.code).toBe(75);
  expect(run.stdout).toMatch(
    /relay=none, .*, tls=may\?, dsn=4\.4\.1, status=deferred \(connect to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: Connection refused\)/,
  );
});

test('the demo ends well', async () => {
  const { code, stdout, stderr } = await finish(['demo']);
  expect(stderr).toBe('');
  expect(stdout).toMatch(
    /\nOK: three messages arrived byte for byte over TLSv1\.3 with key exchange X25519MLKEM768 and an ML-DSA-65 server key\.\n$/,
  );
  expect(code).toBe(0);
});
