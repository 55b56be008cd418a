/** The examples, as they stand, on the built package: a session that began at one process or thread goes on at another. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { Run } from '../helpers/command.js';
import { type Visit, visitByStarttls } from '../helpers/ticket-visit.js';

const { chainFile } = certificate('ecdsa');

function example(name: string, ...args: readonly string[]): Run {
  const file = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
  return Run.of('sh', ['-c', 'exec "$@"', 'sh', process.execPath, file, ...args]);
}

function folderWithKey(): readonly [folder: string, wrappingKey: string] {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-examples-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const key = join(folder, 'wrapping.key');
  writeFileSync(key, randomBytes(32), { mode: 0o600 });
  return [folder, key];
}

/** `mxtls tlsmgr` with a key of its own: where to find both. */
async function tlsmgr(): Promise<readonly [socket: string, wrappingKey: string]> {
  const [folder, key] = folderWithKey();
  const socket = join(folder, 'tlsmgr');
  const run = new Run(['tlsmgr', '--listen', socket, '--wrapping-key', key]);
  await run.until(() => run.stdout !== '');
  return [socket, key];
}

/** Numbers of the processes or threads that have served a client each, in order. */
function servers(runs: readonly Run[]): readonly string[] {
  return runs.flatMap(({ stderr }) =>
    [...stderr.matchAll(/^mxtls\/smtpd\[(\d+)\]: disconnect from /gm)].map(([, id = '']) => id),
  );
}

/** A session, and who has served it. */
async function meet(runs: readonly Run[], port: number, session: Buffer | null = null) {
  const before = servers(runs);
  const visit: Visit = await visitByStarttls(port, 'TLSv1.3', session);
  await Promise.race(runs.map((run) => run.until(() => servers(runs).length > before.length)));
  const after = [...servers(runs)];
  for (const id of before) {
    after.splice(after.indexOf(id), 1);
  }
  return { ...visit, server: after[0] ?? '' };
}

/** A session that can be resumed: a process may serve before it has its first ticket key. */
async function begin(runs: readonly Run[], port: number) {
  let visit = await meet(runs, port);
  while (visit.session === null) {
    visit = await meet(runs, port);
  }
  return visit;
}

/** Clients come, and come again, until one is resumed elsewhere: from then on all are. */
async function resumesElsewhere(runs: readonly Run[], port: number): Promise<void> {
  for (let elsewhere = 0; elsewhere < 3; ) {
    const first = await meet(runs, port);
    const second = await meet(runs, port, first.session);
    if (second.server !== first.server) {
      elsewhere = second.resumed ? elsewhere + 1 : 0;
    }
  }
}

async function ends(run: Run): Promise<void> {
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
}

test('cluster.mjs: at another worker', async () => {
  const run = example('cluster.mjs', chainFile, '0', '3');
  await resumesElsewhere([run], await run.port());
  await ends(run);
});

test('cluster.mjs: at a worker that has taken the place of a dead one', async () => {
  const run = example('cluster.mjs', chainFile, '0', '1');
  const port = await run.port();
  const first = await begin([run], port);
  process.kill(Number(first.server), 'SIGKILL');
  const second = await meet([run], port, first.session);
  expect(second.resumed).toBe(true);
  expect(second.server).not.toBe(first.server);
  await ends(run);
});

test('worker-threads.mjs: at another thread', async () => {
  const run = example('worker-threads.mjs', chainFile, '0', '3');
  await resumesElsewhere([run], await run.port());
  await ends(run);
});

test('process.mjs: at another process, with "mxtls tlsmgr"', async () => {
  const shared = await tlsmgr();
  const one = example('process.mjs', chainFile, '0', ...shared);
  const port = await one.port();
  const other = example('process.mjs', chainFile, `${port}`, ...shared);
  await other.port();
  await resumesElsewhere([one, other], port);
  await ends(one);
  await ends(other);
});

/** What a service manager does for it: keeps a socket, and starts it again whenever it has ended. */
const manager = `
  const { openListeningSockets } = await import('mxtls');
  const { spawn } = await import('node:child_process');
  const [socket] = openListeningSockets({ host: '127.0.0.1', port: 0 }, 1);
  let child;
  const start = () => {
    child = spawn('sh', ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', ...process.argv.slice(1)], {
      stdio: ['inherit', 'inherit', 'inherit', socket.fd],
    });
    child.on('exit', start);
  };
  start();
  process.on('SIGTERM', () => {
    child.off('exit', start).on('exit', (code) => process.exit(code)).kill('SIGTERM');
  });
`;

test('socket-activation.mjs: at the process after a killed one, without finding the port closed', async () => {
  const file = fileURLToPath(new URL('../../examples/socket-activation.mjs', import.meta.url));
  const program = [process.execPath, file, chainFile, ...(await tlsmgr())];
  const run = Run.of('sh', [
    ...['-c', 'exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', manager, '--'],
    ...program,
  ]);
  const port = await run.port();
  const first = await begin([run], port);
  process.kill(Number(first.server), 'SIGKILL'); // while it says good-bye it might still greet us
  const second = await meet([run], port, first.session);
  expect(second.resumed).toBe(true);
  expect(second.server).not.toBe(first.server);
  await ends(run);
});

test('socket-activation.mjs: without a socket it says what to start', async () => {
  const run = example('socket-activation.mjs', chainFile, '/nowhere/tlsmgr', '/nowhere/key');
  expect(await run.exit).toBe(1);
  expect(run.stderr).toContain('no socket was passed: start the .socket unit, not the .service');
});

test('key-store.mjs: at another process, which finds the keys in the store', async () => {
  const shared = folderWithKey();
  const minter = example('key-store.mjs', chainFile, '0', ...shared, 'mint');
  const first = await begin([minter], await minter.port());
  const other = example('key-store.mjs', chainFile, '0', ...shared);
  const second = await meet([other], await other.port(), first.session);
  expect([first.resumed, second.resumed]).toEqual([false, true]);
  await ends(minter);
  await ends(other);
});

test('key-store.mjs: without a store it serves, and resumes nothing', async () => {
  const run = example('key-store.mjs', chainFile, '0', ...folderWithKey());
  expect(await meet([run], await run.port())).toMatchObject({ resumed: false, session: null });
  await ends(run);
});
