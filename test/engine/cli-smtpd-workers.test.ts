/** `mxtls smtpd --workers`: processes behind one port, how they are replaced, how they end. */
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { mxtls, parameters, Run, sendArguments, smtpdCommand } from '../helpers/command.js';
import { RawClient } from '../helpers/raw-client.js';

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-workers-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Process ids of the lines that match, in order. */
function pids(run: Run, pattern: RegExp): number[] {
  return [
    ...run.stderr.matchAll(new RegExp(`mxtls/smtpd\\[(\\d+)\\]: ${pattern.source}`, 'g')),
  ].map(([, pid]) => Number(pid));
}

/** Connects until as many processes as that have served a client. */
async function servers(run: Run, port: number, count: number): Promise<number[]> {
  for (;;) {
    const client = await RawClient.greeted(port);
    await client.command('QUIT');
    const before = pids(run, /connect from/).length;
    await run.until(() => pids(run, /connect from/).length >= before && before > 0);
    const all = [...new Set(pids(run, /connect from/))];
    if (all.length >= count) {
      return all;
    }
  }
}

async function end(run: Run): Promise<number> {
  run.child.kill('SIGTERM');
  return run.exit;
}

test('the system shares the clients of a port among the workers', async () => {
  const run = smtpdCommand('--workers', '3');
  const port = await run.port();
  expect(await servers(run, port, 3)).toHaveLength(3);
  expect(await end(run)).toBe(0);
  expect(run.stdout).toBe(`listening 127.0.0.1:${port}\n`);
  expect(run.stderr).toMatch(/^mxtls\/master\[\d+\]: 3 workers are ready$/m);
  expect(run.stderr).toMatch(/^mxtls\/master\[\d+\]: SIGTERM: ending; workers: 3$/m);
});

test('a worker that is killed is replaced, and who waits at its socket is served', async () => {
  const run = smtpdCommand('--workers', '1');
  const port = await run.port();
  const [victim] = await servers(run, port, 1);
  process.kill(victim ?? 0, 'SIGKILL');
  const client = await RawClient.greeted(port);
  expect(await client.command('QUIT')).toBe('221 2.0.0 Bye');
  await run.logged(`worker ${victim} was ended by SIGKILL; starting another`);
  const [before, after] = [...new Set(pids(run, /connect from/))];
  expect(before).toBe(victim);
  expect(after).not.toBe(victim);
  expect(await end(run)).toBe(0);
});

test('a worker that has had --max-use clients ends with the last of them, after its successor has begun', async () => {
  const run = smtpdCommand('--workers', '1', '--max-use', '2');
  const port = await run.port();
  const kept = await RawClient.greeted(port);
  const second = await RawClient.greeted(port);
  await second.command('QUIT');
  await run.logged('takes the place of worker');
  const [old] = await servers(run, port, 2);
  expect(await kept.command('NOOP')).toBe('250 2.0.0 Ok');
  await run.logged('retired: ending; connections open: ');
  expect(pids(run, /retired: ending/)).toEqual([old]);
  expect(await kept.command('QUIT')).toBe('221 2.0.0 Bye');
  expect(await end(run)).toBe(0);
  expect(run.stderr).not.toContain('starting another');
});

test('SIGTERM lets workers finish the messages that are being received', async () => {
  const maildir = join(folder(), 'mail');
  const run = smtpdCommand('--workers', '2', '--maildir', maildir);
  const client = await RawClient.greeted(await run.port());
  await client.commands('EHLO x', 'MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>', 'DATA');
  run.child.kill('SIGTERM');
  await run.until(() => pids(run, /SIGTERM: ending/).length === 2);
  expect(await client.command('Subject: x\r\n\r\nwhole\r\n.')).toMatch(/^250 2\.0\.0 Ok: queued/);
  expect(await run.exit).toBe(0);
  expect(readdirSync(join(maildir, 'new'))).toHaveLength(1);
});

test('SIGHUP loads certificates anew in every worker', async () => {
  const chain = join(folder(), 'chain.pem');
  copyFileSync(certificate('ecdsa').chainFile, chain);
  const run = smtpdCommand(
    ...['--workers', '2'],
    ...parameters('smtpd_tls_security_level=may', `smtpd_tls_chain_files=${chain}`),
  );
  const port = await run.port();
  copyFileSync(certificate('rsa').chainFile, chain);
  run.child.kill('SIGHUP');
  await run.until(() => new Set(pids(run, /certificates reloaded: RSA/)).size === 2);
  const tls = parameters('smtp_tls_security_level=encrypt', 'smtp_tls_loglevel=1');
  expect((await mxtls(sendArguments(port, ...tls), 'Subject: x\n\nx\n')).code).toBe(0);
  expect(await end(run)).toBe(0);
});

test('workers end with their supervisor, however it ends', async () => {
  const run = smtpdCommand('--workers', '2');
  const all = await servers(run, await run.port(), 2);
  run.child.kill('SIGKILL');
  expect(await run.exit).toBe(137); // after the last process that has the log open
  expect(pids(run, /abandoned: ending/).sort()).toEqual(all.sort());
});

test('what keeps a worker from starting is told once, and ends the command', async () => {
  const file = join(folder(), 'none.pem');
  const run = smtpdCommand(
    ...['--workers', '4'],
    ...parameters('smtpd_tls_security_level=may', `smtpd_tls_chain_files=${file}`),
  );
  expect(await run.exit).toBe(78);
  expect(run.stdout).toBe('');
  expect(run.stderr.match(/^mxtls: /gm)).toHaveLength(1);
});

test('a second signal ends everything at once', async () => {
  const run = smtpdCommand('--workers', '2');
  const client = await RawClient.greeted(await run.port());
  await client.commands('EHLO x', 'MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>', 'DATA');
  run.child.kill('SIGTERM');
  await run.until(() => pids(run, /SIGTERM: ending/).length === 2);
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(143);
  expect(await client.rest()).toBe('');
});

test('sockets of a service manager are listened on as they come', async () => {
  const script = `
    const { openListeningSockets } = await import(process.argv[1]);
    const { spawn } = await import('node:child_process');
    const [socket] = openListeningSockets({ host: '127.0.0.1', port: 0 }, 1);
    const command = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"';
    const child = spawn('sh', ['-c', command, 'sh', process.execPath, ...process.argv.slice(2)], {
      stdio: ['inherit', 'inherit', 'inherit', socket.fd],
    });
    child.on('exit', (code) => process.exit(code));
    process.on('SIGTERM', () => child.kill('SIGTERM'));
  `;
  const dist = new URL('../../dist/', import.meta.url);
  const run = Run.of('sh', [
    ...['-c', 'exec "$@"', 'sh', process.execPath],
    ...['--input-type=module', '-e', script, new URL('workers/listening-socket.js', dist).href],
    ...[new URL('cli/main.js', dist).pathname, 'smtpd', '--domain', 'mx.example'],
  ]);
  const client = await RawClient.greeted(await run.port());
  expect(await client.command('QUIT')).toBe('221 2.0.0 Bye');
  expect(await end(run)).toBe(0);
});
