/** The session cache of the smtpd engine: clients without tickets resume, of TLS 1.2 and of TLS 1.3. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import { addon } from '../../lib/addon.js';
import type { SmtpdOptions } from '../../lib/server.js';
import { MemorySessionStore, type SessionStore } from '../../lib/session-cache/store.js';
import { authority, certificate } from '../helpers/certificates.js';
import { startSmtpd } from '../helpers/servers.js';

const { chainFile } = certificate('ecdsa');

/** Wrapped servers with a cache and no tickets. */
async function wrapped(
  tls: SmtpdTlsOptions = {},
  options: Partial<SmtpdOptions> = {},
  service = 'submissions',
) {
  return startSmtpd(
    {
      tls: {
        chainFiles: [chainFile],
        sessionTicketCipher: '',
        sessionCacheDatabase: 'memory:',
        ...tls,
      },
      ...options,
    },
    { wrappermode: true, service },
  );
}

type Version = 'TLSv1.2' | 'TLSv1.3';

interface Visit {
  /** What the server left for the next one. */
  readonly session: Buffer | null;
  readonly resumed: boolean;
}

/** A TLS session up to the greeting. */
async function visit(
  port: number,
  version: Version,
  session: Buffer | null = null,
): Promise<Visit> {
  const socket = connect({
    ...{ port, host: '127.0.0.1', rejectUnauthorized: false },
    ...{ minVersion: version, maxVersion: version },
    ...(session === null ? {} : { session }),
  });
  let given: Buffer | null = null;
  socket.on('session', (value: Buffer) => {
    given = value;
  });
  await once(socket, 'data');
  const resumed = socket.isSessionReused();
  socket.destroy();
  return { session: given, resumed };
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-scache-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', (version) => {
  test('a client without tickets resumes, as often as it comes', async () => {
    const { port, smtpd } = await wrapped();
    let { session, resumed } = await visit(port, version);
    expect(resumed).toBe(false);
    for (let i = 0; i < 4; i++) {
      const again = await visit(port, version, session);
      expect(again.resumed).toBe(true);
      session = again.session ?? session;
    }
    await smtpd.close(true);
  });

  test('sessions resume at another Smtpd with the same file', async () => {
    const database = `lmdb:${join(folder(), 'smtpd_scache')}`;
    const one = await wrapped({ sessionCacheDatabase: database });
    const other = await wrapped({ sessionCacheDatabase: database });
    const { session } = await visit(one.port, version);
    await one.smtpd.close(true);
    expect((await visit(other.port, version, session)).resumed).toBe(true);
  });

  test('not at another service, nor where others are trusted', async () => {
    const sessionStore = new MemorySessionStore({ timeout: 3600 });
    const one = await wrapped({}, { sessionStore });
    const { session } = await visit(one.port, version);
    const same = await wrapped({}, { sessionStore });
    const service = await wrapped({}, { sessionStore }, 'smtps');
    const asking = await wrapped(
      { askCcert: true, CAfile: authority().certFile },
      { sessionStore },
    );
    expect((await visit(service.port, version, session)).resumed).toBe(false);
    expect((await visit(asking.port, version, session)).resumed).toBe(false);
    expect((await visit(same.port, version, session)).resumed).toBe(true);
  });

  test('not after its time', async () => {
    let now = 1_800_000_000_000;
    const clock = { now: () => now, every: () => () => undefined };
    const sessionStore = new MemorySessionStore({ timeout: 300, clock });
    const { port } = await wrapped({}, { sessionStore });
    const { session } = await visit(port, version);
    now += 300_001;
    expect((await visit(port, version, session)).resumed).toBe(false);
  });

  test('without a cache there is a full handshake each time', async () => {
    for (const tls of [{ sessionCacheDatabase: '' }, { sessionCacheTimeout: 0 }]) {
      const { port } = await wrapped(tls);
      const { session } = await visit(port, version);
      expect((await visit(port, version, session)).resumed).toBe(false);
    }
  });

  test('with tickets nothing is stored', async () => {
    const sessionStore = new MemorySessionStore({ timeout: 3600 });
    const { port } = await wrapped({ sessionTicketCipher: 'aes-256-cbc' }, { sessionStore });
    const { session } = await visit(port, version);
    expect((await visit(port, version, session)).resumed).toBe(true);
    expect(sessionStore.size).toBe(0);
  });

  test('the log tells of look-up, find and storing, in the words of Postfix', async () => {
    const { port, lines } = await wrapped({ loglevel: 'cache' });
    const { session } = await visit(port, version);
    await visit(port, version, session);
    const { runtimeNumber } = addon.libraryInfo();
    const id = /save session ([0-9A-F]{64})&s=submissions&l=/.exec(lines.all.join('\n'))?.[1];
    const key = `${id}&s=submissions&l=${runtimeNumber}`;
    const told = lines.matching(/session/).filter((line) => line.includes('cache'));
    expect(told.slice(0, 3)).toEqual([
      `unknown[127.0.0.1]: save session ${key} to smtpd cache`,
      `unknown[127.0.0.1]: looking up session ${key} in smtpd cache`,
      `unknown[127.0.0.1]: reloaded session ${key} from smtpd cache`,
    ]);
    expect(lines.matching(/Reusing/)).toEqual(['unknown[127.0.0.1]: Reusing old session']);
  });

  test('while the store fails mail flows, with full handshakes, and one warning', async () => {
    const inner = new MemorySessionStore({ timeout: 3600 });
    let broken = true;
    const through = async <T>(work: () => Promise<T>): Promise<T> => {
      if (broken) {
        throw new Error('disk on fire');
      }
      return work();
    };
    const sessionStore: SessionStore = {
      lookup: (id) => through(() => inner.lookup(id)),
      update: (id, bytes) => through(() => inner.update(id, bytes)),
      delete: (id) => through(() => inner.delete(id)),
      close: () => inner.close(),
    };
    const { port, lines } = await wrapped({}, { sessionStore });
    for (let i = 0; i < 5; i++) {
      const { session } = await visit(port, version);
      expect((await visit(port, version, session)).resumed).toBe(false);
    }
    expect(lines.matching(/session cache/)).toEqual([
      'warning: session cache of the application: disk on fire; TLS sessions are not resumed meanwhile',
    ]);
    broken = false;
    const deadline = Date.now() + 10_000;
    for (;;) {
      const { session } = await visit(port, version);
      if ((await visit(port, version, session)).resumed) {
        break;
      }
      expect(Date.now()).toBeLessThan(deadline);
    }
  });
});

test('a file that cannot be opened is a warning, and mail flows', async () => {
  const database = `lmdb:${join(folder(), 'missing', 'scache')}`;
  const { port, lines } = await wrapped({ sessionCacheDatabase: database });
  const { session } = await visit(port, 'TLSv1.3');
  expect((await visit(port, 'TLSv1.3', session)).resumed).toBe(false);
  expect(lines.matching(/session cache/)).toEqual([
    expect.stringMatching(/^warning: session cache lmdb:\S+: cannot open \S+\.mxlmdb: .*; TLS/),
  ]);
});

test('a name of Postfix is a warning that says what to write', async () => {
  const { lines } = await wrapped({ sessionCacheDatabase: 'btree:/var/lib/postfix/smtpd_scache' });
  expect(lines.matching(/scache/)).toEqual([
    'warning: smtpd_tls_session_cache_database: btree:/var/lib/postfix/smtpd_scache: sessions are kept in memory, not in a file; write lmdb:/var/lib/postfix/smtpd_scache for a file, or memory:',
  ]);
});

test('a name of nothing is an error', async () => {
  await expect(wrapped({ sessionCacheDatabase: 'pgsql:x' })).rejects.toMatchObject({
    code: 'INVALID_PARAMETER',
  });
});
