// The figure of session stores: how many sessions a second each keeps and finds again, 64 requests
// under way at a time, in one process; a session has 300 bytes. Services run in processes of their own,
// on this machine.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureTrixieRoot, inRoot, whyNoRoot } from '../trixie-root.mjs';
import { median } from './rounds.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FIGURE = 'stores';
const UNDER_WAY = 64;
const IDS = 2000;
const SECOND = 1000;

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Starts a program; resolves with what ends it once it has said `ready`. */
async function start(command, ready) {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => ready.test(String(data)) && resolve());
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
  });
  return async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
}

/** The stores that there are here: each gives a store and what ends it. */
const STORES = {
  memory: async (_folder, { MemorySessionStore }) => {
    const store = new MemorySessionStore({ timeout: 3600 });
    return { store, end: () => store.close() };
  },
  lmdb: async (folder, { LmdbSessionStore }) => {
    const store = await LmdbSessionStore.open({ file: join(folder, 'scache'), timeout: 3600 });
    return { store, end: () => store.close() };
  },
  'tlsmgr (memory)': async (folder, { SocketTlsmgr }) => {
    const path = join(folder, 'tlsmgr');
    const command = [process.execPath, join(ROOT, 'dist/cli/main.js'), 'tlsmgr', '--listen', path];
    const database = ['-o', 'smtpd_tls_session_cache_database=memory:'];
    const stop = await start([...command, ...database], /listening/);
    const manager = new SocketTlsmgr({ path });
    const end = async () => {
      await manager.close();
      await stop();
    };
    return { store: manager.sessions('smtpd'), end };
  },
  valkey: async (folder, { RedisTlsmgr }) => {
    if (whyNoRoot() !== null) {
      return null;
    }
    ensureTrixieRoot();
    const port = await freePort();
    const key = join(folder, 'key');
    writeFileSync(key, randomBytes(32), { mode: 0o600 });
    const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''];
    const command = inRoot(['/usr/bin/valkey-server', ...options], { binds: [folder], cwd: '/' });
    const stop = await start(command, /Ready to accept/);
    const manager = await RedisTlsmgr.open({
      address: `redis://127.0.0.1:${port}?wrapping-key=${key}`,
    });
    const end = async () => {
      await manager.close();
      await stop();
    };
    return { store: manager.sessions('smtpd'), end };
  },
};

/** Calls a second of `call`, UNDER_WAY at a time. */
async function rate(call) {
  const begin = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() - begin < SECOND) {
      await call(done++ % IDS);
    }
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, worker));
  return done / ((performance.now() - begin) / 1000);
}

async function measureStore({ store }, rounds) {
  const session = randomBytes(300);
  const id = (i) => `${i.toString(16).padStart(64, '0')}&s=smtpd&l=811597936`;
  const rates = { update: [], lookup: [] };
  for (let round = 0; round < rounds; round++) {
    rates.update.push(await rate((i) => store.update(id(i), session)));
    rates.lookup.push(
      await rate(async (i) => {
        if ((await store.lookup(id(i))) === null) {
          throw new Error('a session was not found');
        }
      }),
    );
  }
  return rates;
}

/** @param bench the harness; rounds are few, since each is a second long */
export async function measureStores({ progress }) {
  const library = await import(join(ROOT, 'dist/index.js'));
  const raw = {};
  for (const [name, open] of Object.entries(STORES)) {
    const folder = mkdtempSync(join(tmpdir(), 'mxtls-bench-'));
    try {
      progress(`${FIGURE}: ${name}`);
      const opened = await open(folder, library);
      if (opened !== null) {
        raw[name] = await measureStore(opened, 3);
        await opened.end();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  const rows = Object.entries(raw).flatMap(([name, rates]) =>
    Object.entries(rates).map(([what, values]) => ({
      ...{ figure: FIGURE, condition: what, subject: name, value: median(values), unit: '/s' },
      ...{ bar: null, met: null, note: '' },
    })),
  );
  return { raw, rows };
}
