/** Names of session caches, ours and Postfix's. */
import { expect, test } from 'vitest';
import { openSessionStore } from '../../lib/session-cache/open.js';
import { MemorySessionStore } from '../../lib/session-cache/store.js';

function open(database: string, timeout = 3600) {
  const warnings: string[] = [];
  const store = openSessionStore(database, {
    parameter: 'smtp_tls_session_cache_database',
    timeout,
    warn: (text) => warnings.push(text),
  });
  return { store, warnings };
}

test('memory: is a store of this process', () => {
  const { store, warnings } = open('memory:');
  expect(store).toBeInstanceOf(MemorySessionStore);
  expect(warnings).toEqual([]);
});

test.each(['btree', 'hash', 'sdbm', 'dbm'])(
  '%s:, a file with Postfix, is one with a warning',
  (type) => {
    const { store, warnings } = open(`${type}:/var/lib/postfix/smtp_scache`);
    expect(store).toBeInstanceOf(MemorySessionStore);
    expect(warnings).toEqual([
      `smtp_tls_session_cache_database: ${type}:/var/lib/postfix/smtp_scache: sessions are kept in memory, not in a file; write lmdb:/var/lib/postfix/smtp_scache for a file, or memory:`,
    ]);
  },
);

test('without a name, or with a time-out of 0, there is none', () => {
  expect(open('').store).toBe(null);
  expect(open('memory:', 0)).toEqual({ store: null, warnings: [] });
  expect(open('btree:x', 0)).toEqual({ store: null, warnings: [] });
});

test.each(['pgsql:x', 'x', '/var/lib/scache', 'lmdb:', 'lmdb'])('%s is refused', (database) => {
  expect(() => open(database)).toThrow(
    expect.objectContaining({
      class: 'usage',
      code: 'INVALID_PARAMETER',
      message: `smtp_tls_session_cache_database: "${database}" is no session cache; write memory:, lmdb: with the name of a file, or redis: with an address`,
    }),
  );
});
