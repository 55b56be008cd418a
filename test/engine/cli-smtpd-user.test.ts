/** `mxtls smtpd --user`: what only root may read is read before, and works after. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { mxtls, parameters, type Run, sendArguments, smtpdCommand } from '../helpers/command.js';
import { askFor, fingerprintOf } from '../helpers/sni-client.js';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const args = ['smtpd', '--listen', '127.0.0.1:0', '--user', '65534:65533'];
const isRoot = process.getuid?.() === 0;
const uid = 65534;
const gid = 65533; // a group that need not exist

test.runIf(process.env['CI'] !== undefined)('these tests run as root', () => {
  expect(isRoot).toBe(true);
});

/** A directory that everybody may pass through, with files that root alone may read. */
function place(): {
  readonly folder: string;
  readonly secret: (name: string, content: string) => string;
} {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-user-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const secrets = join(folder, 'secrets');
  mkdirSync(secrets, { mode: 0o700 });
  return {
    folder,
    secret: (name, content) => {
      const file = join(secrets, name);
      writeFileSync(file, content, { mode: 0o600 });
      return file;
    },
  };
}

function chain(algorithm: Parameters<typeof certificate>[0]): string {
  return readFileSync(certificate(algorithm).chainFile, 'utf8');
}

/** `Uid`, `Gid` and `Groups` of each thread. */
function threadIds(run: Run): Set<string> {
  const tasks = `/proc/${run.child.pid}/task`;
  return new Set(
    readdirSync(tasks).map((task) =>
      (readFileSync(`${tasks}/${task}/status`, 'utf8').match(/^(?:Uid|Gid|Groups):.*$/gm) ?? [])
        .map((line) => line.replace(/\s+/g, ' ').trim())
        .join('; '),
    ),
  );
}

describe.skipIf(!isRoot)('as root', () => {
  test('keys and tables that root alone may read work after the change of user', async () => {
    const { folder, secret } = place();
    const maildir = join(folder, 'mail');
    mkdirSync(maildir);
    chownSync(maildir, uid, gid);
    const sni = secret('sni', `hit.example ${secret('hit.pem', chain('ed25519'))}\n`);
    expect((await mxtls(['sni', 'build', sni])).code).toBe(0);
    const texthash = secret('texthash', `text.example ${secret('text.pem', chain('rsa'))}\n`);
    const run = smtpdCommand(
      ...['--user', `${uid}:${gid}`, '--maildir', maildir],
      ...parameters(
        'smtpd_tls_security_level=may',
        `smtpd_tls_chain_files=${secret('default.pem', chain('ecdsa'))}`,
        `tls_server_sni_maps=lmdb:${sni}, texthash:${texthash}`,
      ),
    );
    const port = await run.port();
    expect(threadIds(run)).toEqual(
      new Set([
        `Uid: ${uid} ${uid} ${uid} ${uid}; Gid: ${gid} ${gid} ${gid} ${gid}; Groups: ${gid}`,
      ]),
    );
    for (const [name, algorithm] of [
      ['hit.example', 'ed25519'],
      ['text.example', 'rsa'],
      ['miss.example', 'ecdsa'],
    ] as const) {
      const got = await askFor({ port, name });
      expect(got.certificate).toBe(fingerprintOf(certificate(algorithm).certFile));
    }
    const sent = await mxtls(sendArguments(port), 'Subject: hello\n\nhello\n');
    expect(sent.code).toBe(0);
    const [mail = ''] = readdirSync(join(maildir, 'new'));
    expect(statSync(join(maildir, 'new', mail))).toMatchObject({ uid, gid });
  });

  test('a reload of what the user may not read keeps the old, table by table, and says so', async () => {
    const { folder, secret } = place();
    const key = secret('default.pem', chain('ecdsa'));
    writeFileSync(join(folder, 'relay'), '00:11 x\n');
    const secretTable = secret('sni', `hit.example ${secret('hit.pem', chain('ed25519'))}\n`);
    const run = smtpdCommand(
      ...['--user', `${uid}:${gid}`],
      ...parameters(
        'smtpd_tls_security_level=may',
        `smtpd_tls_chain_files=${key}`,
        `tls_server_sni_maps=texthash:${secretTable}`,
        `relay_clientcerts=texthash:${join(folder, 'relay')}`,
      ),
    );
    const port = await run.port();
    const seen = async (name: string | null) => (await askFor({ port, name })).certificate;
    const [fallback, hit] = (['ecdsa', 'ed25519'] as const).map((algorithm) =>
      fingerprintOf(certificate(algorithm).certFile),
    );
    expect([await seen(null), await seen('hit.example')]).toEqual([fallback, hit]);
    writeFileSync(key, chain('rsa'));
    run.child.kill('SIGHUP');
    await run.logged('tls_server_sni_maps');
    expect(run.stderr).toContain(`error opening chain file: ${key}: Permission denied`);
    expect(run.stderr).toMatch(/keeping the former certificates$/m);
    expect(run.stderr).toMatch(
      /tls_server_sni_maps: .*sni: cannot read it: Permission denied; the former tables stay in use$/m,
    );
    expect(run.stderr).not.toContain('relay_clientcerts:');
    expect([await seen(null), await seen('hit.example')]).toEqual([fallback, hit]);
    chmodSync(join(folder, 'secrets'), 0o755);
    chmodSync(key, 0o644);
    run.child.kill('SIGHUP');
    await run.logged('certificates reloaded: RSA');
    expect(await seen(null)).toBe(fingerprintOf(certificate('rsa').certFile));
  });

  test('a Maildir that the user may not write to ends it', async () => {
    const { folder } = place();
    const run = smtpdCommand('--user', `${uid}:${gid}`, '--maildir', join(folder, 'mail'));
    expect(await run.exit).toBe(78);
    expect(run.stderr).toContain('name a directory that this user may write to');
    expect(run.stdout).toBe('');
  });

  test('a known user has his own groups', async () => {
    const run = smtpdCommand('--user', 'nobody');
    await run.port();
    const [ids = ''] = threadIds(run);
    expect(ids).toMatch(/^Uid: 65534 65534 65534 65534; Gid: 65534 /);
    expect(ids).not.toMatch(/Groups:.*\b0\b/);
  });

  test('it does not go on where root could be had again', () => {
    // With this bit the kernel lets a process keep its capabilities, CAP_SETUID among them.
    const { status, stdout, stderr } = spawnSync(
      'setpriv',
      ['--securebits', '+no_setuid_fixup', process.execPath, program, ...args],
      { encoding: 'utf8' },
    );
    expect({ status, stdout }).toEqual({ status: 70, stdout: '' });
    expect(stderr).toContain('--user: root could be regained; not going on');
  });

  test.each([
    ['no-such-user', 78, 'there is no user "no-such-user"'],
    ['4000000', 78, 'there is no group for "4000000"; write --user NAME:GROUP'],
    ['nobody:no-such-group', 78, 'there is no group for'],
    ['root', 64, '"root" is root; name a user without privileges'],
    ['0:1', 64, '"0:1" is root'],
    ['nobody:0', 64, '"nobody:0" is root'],
    ['', 64, '"" is no user'],
    ['a:b:c', 64, '"a:b:c" is no user'],
  ])('--user "%s" is refused', async (user, code, sentence) => {
    const run = smtpdCommand('--user', user);
    expect(await run.exit).toBe(code);
    expect(run.stderr).toContain(sentence);
    expect(run.stdout).toBe('');
  });
});
