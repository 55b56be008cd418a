/** The command mxtls as a program: help, version, exit codes of wrong uses, the demo. */
import { expect, test } from 'vitest';
import { mxtls } from '../helpers/command.js';

test.each([['--help'], ['demo', '--help'], ['smtpd', '-h'], ['send', '--help'], ['help', 'send']])(
  'mxtls %s %s explains itself with examples on standard output',
  async (...args) => {
    const { code, stdout, stderr } = await mxtls(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: mxtls [\s\S]*\nExamples?:\n {2}\S/);
  },
);

test('mxtls --version --json tells which OpenSSL is in use', async () => {
  const { code, stdout } = await mxtls(['--version', '--json']);
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

const listen = ['--listen', '127.0.0.1:0'] as const;
const envelope = ['--from', '', '--to', 'b@mx.example'] as const;
const nexthop = ['--nexthop', '[127.0.0.1]:25'] as const;

test.each([
  [[], 64, /^mxtls: no command/],
  [['smptd'], 64, /did you mean "smtpd"\?/],
  [['smtpd'], 64, /nowhere to listen.*\nTry "mxtls smtpd --help"/],
  [['smtpd', '--listen', '25'], 64, /is no address with port/],
  [
    ['smtpd', ...listen, '-o', 'smtpd_tls_chain_file=x'],
    64,
    /did you mean "smtpd_tls_chain_files"/,
  ],
  [['smtpd', ...listen, '-o', 'smtpd_timeout=soon'], 64, /write a time such as/],
  [['smtpd', ...listen, '--domain', 'user@example.com'], 64, /write a domain such as/],
  [['smtpd', ...listen, '--maildir', ''], 64, /--maildir: no directory; name one/],
  [['smtpd', ...listen, '-o', 'smtpd_tls_security_level=may'], 78, /No server certs/],
  [['smtpd', ...listen, '-o', 'tls_config_file=/nonexistent.cnf'], 78, /nonexistent\.cnf/],
  [
    ['smtpd', ...listen, '--maildir', '/dev/null/mail'],
    78,
    /^mxtls: --maildir: cannot write to \/dev\/null\/mail: Not a directory; name a directory/,
  ],
  [['smtpd', '--listen', '192.0.2.1:25'], 78, /cannot listen on 192\.0\.2\.1/],
  [['smtpd', '--listen', 'no.such.host.invalid:25'], 78, /nothing is known of host/],
  [['send'], 64, /--from is missing/],
  [['send', '--from', ''], 64, /--to is missing/],
  [['send', '--from', '<a@b.example>', '--to', 'c@d.example'], 64, /without angle brackets/],
  [['send', '--from', '', '--to', ''], 64, /--to: "" is no address/],
  [
    ['send', '--from', '', '--to', 'root'],
    64,
    /"root" has no domain; name the server, for example/,
  ],
  [['send', ...envelope, '--nameserver', 'dns.example'], 64, /dns\.example/],
  [['send', ...envelope, '--nexthop', '192.0.2.1'], 64, /write domain, domain:port, \[host\]/],
  [['send', ...envelope, ...nexthop, '--arrival-time', 'noon'], 64, /write seconds since 1970/],
  [
    ['send', ...envelope, ...nexthop, '/nonexistent.eml'],
    66,
    /cannot read the message \/nonexistent\.eml: No such file or directory/,
  ],
  [['send', ...envelope, ...nexthop, '/'], 66, /cannot read the message \/: Is a directory/],
  [
    ['send', ...envelope, ...nexthop, '-o', 'smtp_tls_CAfile=/nonexistent.pem'],
    78,
    /nonexistent\.pem/,
  ],
  [
    ['send', ...envelope, ...nexthop, '-o', 'smtp_tls_security_level=secured'],
    64,
    /invalid TLS level "secured"/,
  ],
])('mxtls %j ends with %i', async (args, code, text) => {
  const run = await mxtls(args);
  expect(run.stderr).toMatch(text);
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code, stdout: '' });
});

test('the demo ends well', async () => {
  const { code, stdout, stderr } = await mxtls(['demo']);
  expect(stderr).toBe('');
  expect(stdout).toMatch(
    /\nOK: five messages arrived byte for byte over TLSv1\.3 with key exchange X25519MLKEM768 and an ML-DSA-65 server key\.\n$/,
  );
  expect(code).toBe(0);
});
