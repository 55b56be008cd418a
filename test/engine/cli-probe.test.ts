/** `mxtls probe` as a command, without DNS: exit codes, outputs, what it says about wrong settings. */
import { expect, test } from 'vitest';
import { certificate, serverCertificate, authority } from '../helpers/certificates.js';
import { mxtls, parameters } from '../helpers/command.js';
import { startSmtpd } from '../helpers/servers.js';

const issued = serverCertificate('mx', ['mx.example.com']);

async function serve(chainFile: string): Promise<string> {
  const { port } = await startSmtpd({ tls: { securityLevel: 'may', chainFiles: [chainFile] } });
  return `[127.0.0.1]:${port}`;
}

test('a server is verified by CA and name', async () => {
  const nexthop = await serve(issued.chainFile);
  const args = ['probe', '-l', 'secure', '--ca', authority().certFile, nexthop];
  const good = await mxtls([...args, 'mx.example.com']);
  expect(good).toMatchObject({ code: 0, stderr: '' });
  expect(good.stdout).toMatch(/^ {2}match {5}matched peername: mx\.example\.com$/m);
  expect(good.stdout).toMatch(/^ {2}result {4}ok, level secure is satisfied$/m);
  const bad = await mxtls([...args, 'other.example.com']);
  expect(bad).toMatchObject({ code: 75, stderr: '' });
  expect(bad.stdout).toMatch(/^ {2}verify {4}server certificate .*: num=62:hostname mismatch$/m);
  expect(bad.stdout).toMatch(/^ {2}result {4}defer: 4\.7\.5 Server certificate not verified$/m);
});

test('without a CA of its own it trusts those of the system, which know no test', async () => {
  const nexthop = await serve(certificate('rsa').chainFile);
  const { code, stdout } = await mxtls(['probe', '-l', 'secure', nexthop, 'mx.example.com']);
  expect(code).toBe(75);
  expect(stdout).toContain('self-signed certificate');
});

test('parameters act: a policy table, a trust anchor, a client certificate, a trace', async () => {
  const nexthop = await serve(issued.chainFile);
  const table = `inline:{ { ${nexthop} = secure match=mx.example.com } }`;
  const { code, stdout, stderr } = await mxtls([
    ...['probe', ...parameters(`smtp_tls_policy_maps=${table}`, 'smtp_tls_loglevel=trace')],
    ...parameters(`smtp_tls_trust_anchor_file=${issued.certFile}`),
    ...[...parameters(`smtp_tls_chain_files=${issued.chainFile}`), nexthop],
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^ {2}policy {4}secure \(table\)$/m);
  expect(stdout).toMatch(/^ {2}match {5}matched peername: mx\.example\.com$/m);
  expect(stdout).toMatch(/^ {12}Matched trust anchor at depth 0$/m);
  expect(stdout).toMatch(/^ {2}note {6}127\.0\.0\.1\S+: trace: sent ClientHello/m);
});

test.each<[string, string[], number, RegExp]>([
  ['no destination', [], 64, /^mxtls: no destination/],
  ['an unknown level', ['-l', 'best', 'a.example'], 64, /^mxtls: --level: "best" is no TLS level/],
  ['an unknown option', ['--levl', 'may', 'a.example'], 64, /did you mean "--level"/],
  ['a destination that is none', ['a b'], 64, /^mxtls: "a b" is not a next hop/],
  ['CAs that are not there', ['--ca', '/nowhere/ca.pem', '[::1]'], 66, /cannot read \/nowhere/],
  [
    'a certificate that is not there',
    [...parameters('smtp_tls_chain_files=/nowhere/x.pem'), '[127.0.0.1]:1'],
    78,
    /\/nowhere\/x\.pem/,
  ],
  [
    'a table of a type that is not known',
    [...parameters('smtp_tls_policy_maps=hash:/x'), '[127.0.0.1]:1'],
    78,
    /unsupported dictionary type: hash/,
  ],
])('%s', async (_, args, code, message) => {
  const done = await mxtls(['probe', ...args]);
  expect(done).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
});

test('a server that cannot be reached is to be tried again', async () => {
  const { code, stdout } = await mxtls(['probe', '--json', '-l', 'may', '[127.0.0.1]:1']);
  expect(code).toBe(75);
  expect(JSON.parse(stdout)).toMatchObject([{ outcome: 'defer', dsn: '4.4.1', tls: null }]);
});

test('help has examples', async () => {
  const { code, stdout } = await mxtls(['probe', '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Examples:\n {2}mxtls probe example\.com$/m);
  expect(stdout.split('\n').every((line) => line.length <= 96)).toBe(true);
});
