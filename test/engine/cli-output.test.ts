/** Commands whose output goes nowhere, whose place is taken, whose disk is full: what they say and how they end. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, closeSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { mxtls, Run, sendArguments, smtpdCommand } from '../helpers/command.js';
import { acceptMail, hello, scriptedServer } from '../helpers/scripted-server.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mxtls-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
});

/** Nobody listens there: it was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('a reader that has gone does not change the outcome of a delivery', async () => {
  const run = new Run(sendArguments(await freePort()));
  run.child.stdout.destroy();
  run.child.stdin.end('hello\n');
  expect(await run.exit).toBe(75);
  expect(run.stderr).toBe('');
});

test('a reader that goes away in the middle does not break off a delivery', async () => {
  const { port, done } = await scriptedServer(async (peer) => {
    await hello(peer);
    run.child.stdout.destroy();
    run.child.stderr.destroy();
    run.child.kill('SIGHUP');
    expect(await acceptMail(peer)).toContain('hello');
    peer.end();
  });
  const run = new Run(sendArguments(port));
  run.child.stdin.end('hello\n');
  expect(await run.exit).toBe(0);
  await done;
});

test.each([
  ['postconf', 1],
  ['send', 75],
])('output of %s that cannot be written is said, and the exit code is %i', async (name, code) => {
  const args = name === 'send' ? sendArguments(await freePort(), '--json') : [name, '-d'];
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [main, ...args], { stdio: ['pipe', full, 'pipe'] });
  closeSync(full);
  child.stdin?.end();
  let stderr = '';
  child.stderr?.on('data', (data) => {
    stderr += String(data);
  });
  expect(await once(child, 'close')).toEqual([code, null]);
  expect(stderr).toContain('mxtls: cannot write to standard output: No space left on device\n');
});

test.each([
  [['send', '--json'], 64],
  [
    ['send', '--json', '--from', 'a@b.example', '--to', 'c@d.example', '--nexthop', '192.0.2.1'],
    64,
  ],
  [['send', '--json', '--to', 'c@d.example', '--nexthop', '[d]', '--from', '<>'], 64],
  [[...sendArguments(1, '--json', '-o', 'smtp_tls_chain_files=/nonexistent')], 78],
  [[...sendArguments(1, '--json', '/nonexistent/file')], 66],
])('standard output is empty when JSON cannot be: %j', async (args, code) => {
  const done = await mxtls(args);
  expect(done).toMatchObject({ code, stdout: '' });
  expect(done.stderr).toMatch(/^mxtls: [^\n]+\n(?:Try [^\n]+\n)?$/);
});

test('a message from nowhere is an empty one', async () => {
  let message = '';
  const { port } = await scriptedServer(async (peer) => {
    await hello(peer);
    message = await acceptMail(peer);
    peer.end();
  });
  const { code } = await mxtls(sendArguments(port), '');
  expect(code).toBe(0);
  expect(message).toBe('.\r\n');
});

test('a message beyond the size limit of the server is told from the start', async () => {
  const smtpd = smtpdCommand('--maildir', join(directory, 'mail'));
  const port = await smtpd.port();
  const file = join(directory, 'message');
  writeFileSync(file, 'a line of 20 bytes.\n'.repeat(3_000_000));
  const { code, stdout } = await mxtls(sendArguments(port, file));
  expect(code).toBe(69);
  expect(stdout).toMatch(
    /dsn=5\.3\.4, status=bounced \(message size 60000000 exceeds size limit 10240000 of server/,
  );
  const large = smtpdCommand('-o', 'message_size_limit=0', '--maildir', join(directory, 'large'));
  expect(await mxtls(sendArguments(await large.port(), file))).toMatchObject({ code: 0 });
  expect(readdirSync(join(directory, 'large', 'new'))).toHaveLength(1);
});

test('a port that is taken says so, and what to do', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await mxtls(['smtpd', '--listen', `127.0.0.1:${port}`])).toEqual({
    code: 78,
    stdout: '',
    stderr: `mxtls: cannot listen on 127.0.0.1 port ${port}: Address already in use; another program listens there: end it, or choose another port\n`,
  });
});

test("an address that is another machine's says so, and what to do", async () => {
  expect(await mxtls(['smtpd', '--listen', '192.0.2.1:2525'])).toEqual({
    code: 78,
    stdout: '',
    stderr:
      'mxtls: cannot listen on 192.0.2.1 port 2525: Cannot assign requested address; give an address of this machine, 0.0.0.0 or [::] for all of them\n',
  });
});

// Namespaces of one's own: a port that root alone may have, file systems that are full or read only.
const alone = spawnSync('unshare', ['-Urmn', 'true']).status === 0;

test.runIf(process.env['CI'] !== undefined)('namespaces can be made', () => {
  expect(alone).toBe(true);
});

test.runIf(alone)('a privileged port says so, and what to do', () => {
  const args = ['-Un', process.execPath, main, 'smtpd', '--listen', '127.0.0.1:25'];
  const done = spawnSync('unshare', args, { encoding: 'utf8' });
  expect(done).toMatchObject({
    status: 78,
    stdout: '',
    stderr:
      'mxtls: cannot listen on 127.0.0.1 port 25: Permission denied; ports below 1024 are for root, or for a program with CAP_NET_BIND_SERVICE\n',
  });
});

test.runIf(alone)('a Maildir that is read only is an error at the start', () => {
  const script = `mount -t tmpfs -o ro none "$0" && exec "$@"`;
  const args = ['-Urm', 'sh', '-c', script, directory, process.execPath, main];
  const smtpd = ['smtpd', '--listen', '127.0.0.1:0', '--maildir', join(directory, 'mail')];
  const done = spawnSync('unshare', [...args, ...smtpd], { encoding: 'utf8' });
  expect(done).toMatchObject({
    status: 78,
    stdout: '',
    stderr: `mxtls: --maildir: cannot write to ${directory}/mail: Read-only file system; name a directory that this user may write to\n`,
  });
});

test.runIf(alone)(
  'a full disk defers a message, and later ones are taken when there is room',
  async () => {
    const script = `mount -t tmpfs -o size=64k none "$0" && exec "$@"`;
    const args = ['-Urm', 'sh', '-c', script, directory, process.execPath, main, 'smtpd'];
    const where = ['--listen', '127.0.0.1:0', '--maildir', join(directory, 'mail')];
    const smtpd = Run.of('unshare', [...args, ...where]);
    const port = await smtpd.port();
    const refused = await mxtls(sendArguments(port), 'a line\n'.repeat(50_000));
    expect(refused.code).toBe(75);
    expect(refused.stdout).toContain('said: 451 4.3.0 Error: mail file write error');
    await smtpd.logged(`cannot write to maildir ${directory}/mail: No space left on device`);
    expect(await mxtls(sendArguments(port), 'short\n')).toMatchObject({ code: 0 });
  },
);
