/** `mxtls sni build` and `mxtls sni query`, and a server that uses what they made. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { mxtls, parameters, smtpdCommand } from '../helpers/command.js';
import { askFor, fingerprintOf } from '../helpers/sni-client.js';

const hit = certificate('ed25519');
const wild = certificate('rsa');

function source(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-cli-sni-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sni');
  writeFileSync(file, content);
  return file;
}

/** Key and certificate in two files, as certificate programs leave them. */
async function built(): Promise<string> {
  const file = source(
    `# names\nHit.example ${hit.chainFile}\n.wild.example ${wild.keyFile},\n  ${wild.certFile}\n`,
  );
  expect(await mxtls(['sni', 'build', file])).toEqual({
    code: 0,
    stdout: `${file}.mxlmdb: 2 names\n`,
    stderr: '',
  });
  return file;
}

test('a store is built, and shows what the server would use', async () => {
  const table = `lmdb:${await built()}`;
  const found = await mxtls(['sni', 'query', '--table', table, 'a.b.Wild.example']);
  expect(found.code).toBe(0);
  expect(found.stdout).toContain(`a.b.Wild.example: matched by .Wild.example in ${table}\n`);
  expect(found.stdout).toContain('  key       RSA\n');
  expect(found.stdout).toContain(`  SHA-256   ${fingerprintOf(wild.certFile)}\n`);
  const json = await mxtls(['sni', 'query', '--table', table, '--json', 'hit.example']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    name: 'hit.example',
    key: 'hit.example',
    table,
    chains: [{ keyType: 'ED25519', sha256: fingerprintOf(hit.certFile) }],
  });
  const pem = await mxtls(['sni', 'query', '--table', table, '--pem', 'x.wild.example']);
  const key = readFileSync(wild.keyFile, 'utf8');
  expect(pem.stdout).toBe(`${key}\n${readFileSync(wild.certFile, 'utf8')}`);
});

test('the tables of main.cf are looked at where none is given', async () => {
  const file = await built();
  const settings = parameters(`tls_server_sni_maps=lmdb:${file}`);
  const found = await mxtls(['sni', 'query', ...settings, 'hit.example']);
  expect(found.stdout).toContain(`matched by hit.example in lmdb:${file}`);
  const none = await mxtls(['sni', 'query', 'hit.example']);
  expect(none).toMatchObject({ code: 64, stderr: expect.stringContaining('no table to look in') });
});

test('a name that is in no table is exit code 1', async () => {
  const found = await mxtls(['sni', 'query', '--table', `lmdb:${await built()}`, 'wild.example']);
  expect(found).toEqual({
    code: 1,
    stdout: '',
    stderr: 'mxtls: wild.example is in no table; the default chain is used for it\n',
  });
});

test('each line that is wrong is named, and then nothing is written', async () => {
  const file = await built();
  const before = statSync(`${file}.mxlmdb`).ino;
  writeFileSync(
    file,
    `a.example ${hit.certFile}\nb.example /nonexistent\nc.example\nd.example ${hit.chainFile}\n`,
  );
  const { code, stdout, stderr } = await mxtls(['sni', 'build', file]);
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
  const lines = stderr.split('\n');
  expect(lines[0]).toBe(`mxtls: warning: ${file}, line 3: expected format: key whitespace value`);
  expect(lines[1]).toMatch(/^mxtls: .*key not first/);
  expect(lines[1]).toContain(`${file}, line 1`);
  expect(lines[2]).toBe(
    `mxtls: ${file}, line 2: cannot read /nonexistent: No such file or directory`,
  );
  expect(lines[3]).toBe(`mxtls: 2 of 3 names have no usable chain; ${file}.mxlmdb is as it was`);
  expect(statSync(`${file}.mxlmdb`).ino).toBe(before);
});

test.each([
  [['sni'], 64, 'nothing to do; use build or query'],
  [['sni', 'make'], 64, 'unknown action "make"; use build or query'],
  [['sni', 'build'], 64, 'no FILE'],
  [['sni', 'build', '/nonexistent/sni'], 66, 'cannot read /nonexistent/sni: '],
  [['sni', 'query', '--table', 'hash:/x', 'a'], 78, 'unsupported dictionary type: hash'],
  [['sni', 'query', '--tabel', 'x', 'a'], 64, 'did you mean "--table"?'],
])('%j ends with %i', async (args, code, sentence) => {
  const ended = await mxtls(args);
  expect(ended).toMatchObject({ code, stderr: expect.stringContaining(sentence) });
});

test('--help has examples', async () => {
  for (const args of [
    ['sni', '--help'],
    ['sni', 'build', '--help'],
    ['sni', 'query', '-h'],
  ]) {
    const { code, stdout } = await mxtls(args);
    expect(code).toBe(0);
    expect(stdout).toContain('mxtls sni build /etc/mxtls/sni\n');
  }
});

test('mxtls smtpd uses a store, and does not start without it', async () => {
  const file = await built();
  const args = parameters(
    'smtpd_tls_security_level=may',
    `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`,
    'smtpd_tls_loglevel=1',
    `tls_server_sni_maps=lmdb:${file}`,
  );
  const run = smtpdCommand(...args);
  const port = await run.port();
  const got = await askFor({ port, name: 'hit.example' });
  expect(got.certificate).toBe(fingerprintOf(hit.certFile));
  rmSync(`${file}.mxlmdb`);
  const second = smtpdCommand(...args);
  expect(await second.exit).toBe(78);
  expect(second.stderr).toContain(`make it with "mxtls sni build ${file}"`);
});
