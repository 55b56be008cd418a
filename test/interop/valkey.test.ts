/** Sessions and ticket keys in a real Valkey: several hosts, failures, failover. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Redis } from 'ioredis';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { openSessionStore } from '../../lib/session-cache/open.js';
import type { SessionStore } from '../../lib/session-cache/store.js';
import { RedisTlsmgr } from '../../lib/tlsmgr/redis-tlsmgr.js';
import { type SealedKey, sealedKeyInfo } from '../../lib/tlsmgr/sealed-key.js';
import { ticketClock } from '../../lib/tlsmgr/ticket-keys.js';
import { certificate } from '../helpers/certificates.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';
import { startSentinel, startValkey } from '../helpers/valkey.js';

const why = whyNoDebian13();
const valkeyTest = test.skipIf(why !== null && !process.env['CI']);

beforeAll(() => {
  if (why === null) {
    prepareDebian13();
  }
}, 600_000);

const session = randomBytes(200);

function keyFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-wrapping-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'key');
  writeFileSync(file, randomBytes(32), { mode: 0o600 });
  return file;
}

async function managerOf(
  address: string,
  props: { period?: number; clock?: typeof ticketClock } = {},
) {
  const logger = new Lines();
  const manager = await RedisTlsmgr.open({ address, logger, ...props });
  onTestFinished(() => manager.close());
  return { manager, logger };
}

/** Asks until it is answered so. */
async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 20_000;
  for (;;) {
    const value = await ask();
    if (holds(value)) {
      return value;
    }
    expect(Date.now()).toBeLessThan(end);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const found = (store: SessionStore) =>
  until(
    async () => {
      await store.update('again', session);
      return store.lookup('again');
    },
    (value) => value !== null,
  );

/** The keys that this host knows, as they change. */
function watch(manager: RedisTlsmgr): { names(): readonly string[] } {
  let keys: readonly SealedKey[] = [];
  manager.ticketKeys.subscribe((changed) => {
    keys = changed;
  });
  return { names: () => keys.map((key) => sealedKeyInfo(key)?.name ?? '?') };
}

valkeyTest('sessions of one host are found by another, and are sealed at rest', async () => {
  const { port } = await startValkey();
  const address = `redis://127.0.0.1:${port}?wrapping-key=${keyFile()}`;
  const one = (await managerOf(address)).manager.sessions('smtpd');
  const other = (await managerOf(address)).manager;
  await one.update('mx.example.com', session);
  expect(await other.sessions('smtpd').lookup('mx.example.com')).toEqual(session);
  expect(await other.sessions('smtp').lookup('mx.example.com')).toBeNull();
  const redis = new Redis(port, '127.0.0.1');
  onTestFinished(() => redis.disconnect());
  const [name = ''] = await redis.keys('mxtls:smtpd:session:*');
  const blob = await redis.getBuffer(name);
  expect(name).not.toContain('example');
  expect(blob?.includes(session.subarray(0, 8))).toBe(false);
  const life = await redis.pttl(name);
  expect(life).toBeGreaterThan(3_500_000);
  expect(life).toBeLessThanOrEqual(3_600_000);
  await one.delete('mx.example.com');
  expect(await other.sessions('smtpd').lookup('mx.example.com')).toBeNull();
});

valkeyTest('bytes that somebody else has put there are no session', async () => {
  const { port } = await startValkey();
  const { manager } = await managerOf(`redis://127.0.0.1:${port}?wrapping-key=${keyFile()}`);
  const store = manager.sessions('smtpd');
  await store.update('a', session);
  const redis = new Redis(port, '127.0.0.1');
  onTestFinished(() => redis.disconnect());
  const [name = ''] = await redis.keys('mxtls:smtpd:session:*');
  await redis.set(name, randomBytes(300));
  expect(await store.lookup('a')).toBeNull();
});

valkeyTest('smtpd_tls_session_cache_database takes it, with ACL and TLS', async () => {
  const chain = certificate('ecdsa');
  const { port } = await startValkey(
    ['tls-auth-clients no', 'user default off', 'user mx on >s3cret ~mxtls:* &mxtls:* +@all'],
    chain,
  );
  const where = `127.0.0.1:${port}?wrapping-key=${keyFile()}&ca=${chain.certFile}`;
  const open = (address: string) => {
    const parameter = 'smtpd_tls_session_cache_database';
    const store = openSessionStore(address, { parameter, timeout: 3600, warn: () => undefined });
    if (store === null) {
      throw new Error('there is no store');
    }
    onTestFinished(() => store.close());
    return store;
  };
  const store = open(`rediss://mx:s3cret@${where}`);
  await store.update('a', session);
  expect(await store.lookup('a')).toEqual(session);
  await expect(open(`rediss://mx:wrong@${where}`).lookup('a')).rejects.toThrow();
  await expect(open(`redis://mx:s3cret@${where}`).lookup('a')).rejects.toThrow();
});

valkeyTest('one host mints ticket keys, and all have the same, over many rollovers', async () => {
  const { port } = await startValkey();
  const address = `redis://127.0.0.1:${port}?wrapping-key=${keyFile()}`;
  const managers = await Promise.all(
    [0, 1, 2].map(async () => (await managerOf(address, { period: 400 })).manager),
  );
  const watches = managers.map(watch);
  const seen = new Set<string>();
  await until(
    async () => {
      const names = watches.map((one) => one.names());
      for (const name of names.flat()) {
        seen.add(name);
      }
      return names;
    },
    () => seen.size >= 8,
  );
  await until(
    async () => watches.map((one) => one.names().join()),
    ([a, b, c]) => a !== '' && a === b && b === c,
  );
});

valkeyTest(
  'hosts whose clocks are 30 s apart have the same keys before they use them',
  async () => {
    const { port } = await startValkey();
    const address = `redis://127.0.0.1:${port}?wrapping-key=${keyFile()}`;
    const by = (ms: number) => ({ ...ticketClock, now: () => Date.now() + ms });
    const early = (await managerOf(address, { period: 60_000, clock: by(30_000) })).manager;
    const late = (await managerOf(address, { period: 60_000, clock: by(0) })).manager;
    const [a, b] = [watch(early), watch(late)];
    await until(
      async () => [a.names().join(), b.names().join()],
      ([one, other]) => one !== '' && one === other,
    );
  },
);

valkeyTest('a key that was minted a moment ago is found by its name', async () => {
  const { port } = await startValkey();
  const address = `redis://127.0.0.1:${port}?wrapping-key=${keyFile()}`;
  const one = watch((await managerOf(address)).manager);
  const [name = ''] = await until(
    async () => one.names(),
    (names) => names.length > 0,
  );
  const other = (await managerOf(address)).manager;
  const sealed = await other.ticketKeys.find(Buffer.from(name, 'hex'));
  expect(sealed === null ? null : sealedKeyInfo(sealed)?.name).toBe(name);
  expect(await other.ticketKeys.find(Buffer.alloc(16))).toBeNull();
});

/** A TLS session up to the greeting. */
async function visit(port: number, known: Buffer | null) {
  const socket = connect({
    ...{ port, host: '127.0.0.1', rejectUnauthorized: false },
    ...(known === null ? {} : { session: known }),
  });
  let given: Buffer | null = null;
  socket.on('session', (value: Buffer) => {
    given = value;
  });
  await once(socket, 'data');
  const resumed = socket.isSessionReused();
  socket.destroy();
  return { session: given as Buffer | null, resumed };
}

valkeyTest.each(['', 'aes-256-cbc'])(
  'kill -9 of it: mail flows, with one warning, and what was begun elsewhere resumes again after (ticket cipher "%s")',
  async (sessionTicketCipher) => {
    const valkey = await startValkey();
    const address = `redis://127.0.0.1:${valkey.port}?wrapping-key=${keyFile()}`;
    const start = async () => {
      const { manager, logger } = await managerOf(address);
      const tls = { chainFiles: [certificate('ecdsa').chainFile], sessionTicketCipher };
      const { port, lines } = await startSmtpd({ tls, tlsmgr: manager }, { wrappermode: true });
      return { port, lines, logger, manager };
    };
    const [one, other] = [await start(), await start()];
    const across = async () => {
      const { session: begun } = await visit(one.port, null);
      return (await visit(other.port, begun)).resumed;
    };
    await until(across, (resumed) => resumed);
    await valkey.kill();
    for (let i = 0; i < 10; i++) {
      const { session: begun } = await visit(one.port, null);
      await visit(other.port, begun); // the greeting came
    }
    await valkey.start();
    await until(across, (resumed) => resumed);
    await found(one.manager.sessions('smtpd'));
    await found(other.manager.sessions('smtpd'));
    for (const { logger, lines } of [one, other]) {
      expect(logger.matching(/meanwhile/)).toHaveLength(1);
      expect(logger.matching(/works again/)).toHaveLength(1);
      expect(lines.matching(/warning/)).toEqual([]);
    }
  },
  60_000,
);

valkeyTest(
  'a failover by Sentinel: the keys are the same after it, and sessions are kept again',
  async () => {
    const master = await startValkey();
    const replica = await startValkey([`replicaof 127.0.0.1 ${master.port}`]);
    const sentinel = await startSentinel(master.port);
    const watcher = new Redis(sentinel.port, '127.0.0.1');
    onTestFinished(() => watcher.disconnect());
    const ask = async () => String(await watcher.call('sentinel', 'replicas', 'mx'));
    await until(
      ask,
      (text) => text.includes(String(replica.port)) && text.includes('master-link-status,ok'),
    );
    const address = `redis-sentinel://127.0.0.1:${sentinel.port}/mx?wrapping-key=${keyFile()}`;
    const { manager, logger } = await managerOf(address);
    const store = manager.sessions('smtpd');
    const keys = watch(manager);
    await until(
      async () => keys.names(),
      (names) => names.length > 0,
    );
    const before = keys.names();
    await store.update('a', session);
    await master.kill();
    expect(await found(store)).toEqual(session);
    expect(keys.names()).toEqual(before);
    const redis = new Redis(replica.port, '127.0.0.1');
    onTestFinished(() => redis.disconnect());
    expect(await redis.info('replication')).toContain('role:master');
    expect(await redis.exists('mxtls:ticket-keys')).toBe(1);
    expect(logger.matching(/meanwhile/)).toHaveLength(1);
  },
  60_000,
);

valkeyTest('one that was never there is one warning', async () => {
  const { manager, logger } = await managerOf(`redis://127.0.0.1:1?wrapping-key=${keyFile()}`);
  for (let i = 0; i < 20; i++) {
    expect(await manager.sessions('smtpd').lookup('a')).toBeNull();
  }
  expect(logger.all).toEqual([
    expect.stringMatching(
      /^warning: tlsmgr redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*; full TLS handshakes meanwhile$/,
    ),
  ]);
});
