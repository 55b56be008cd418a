/** What a client's session cache does with a store that works, fails, stays silent or holds something else. */
import { expect, test } from 'vitest';
import { ClientSessions } from '../../lib/session-cache/client-sessions.js';
import { MemorySessionStore, type SessionStore } from '../../lib/session-cache/store.js';

const session = new TextEncoder().encode('session');

function cache(store: SessionStore = new MemorySessionStore({ timeout: 3600 }), patience = 1000) {
  const lines: string[] = [];
  const warnings: string[] = [];
  const sessions = new ClientSessions({
    ...{ store, patience },
    log: (text) => lines.push(text),
    warn: (text) => warnings.push(text),
  });
  return { sessions, store, lines, warnings };
}

/** A store of which some methods are other ones. */
function broken(methods: Partial<SessionStore>): SessionStore {
  const memory = new MemorySessionStore({ timeout: 3600 });
  return {
    lookup: (id) => memory.lookup(id),
    update: (id, bytes) => memory.update(id, bytes),
    delete: (id) => memory.delete(id),
    close: () => memory.close(),
    ...methods,
  };
}

test('the lines are Postfix’s', async () => {
  const { sessions, lines } = cache();
  await sessions.find('KEY');
  sessions.save('KEY', session);
  await sessions.find('KEY');
  sessions.remove('KEY');
  expect(lines).toEqual([
    'looking for session KEY in smtp cache',
    'save session KEY to smtp cache',
    'looking for session KEY in smtp cache',
    'reloaded session KEY from smtp cache',
    'remove session KEY from client cache',
  ]);
});

test('a session serves again and again', async () => {
  const { sessions } = cache();
  sessions.save('KEY', session);
  expect(await Promise.all([sessions.find('KEY'), sessions.find('KEY')])).toEqual([
    session,
    session,
  ]);
  expect(await sessions.find('KEY')).toEqual(session);
});

test('the last session replaces the one before', async () => {
  const { sessions } = cache();
  sessions.save('KEY', Buffer.from('first'));
  sessions.save('KEY', session);
  expect(await sessions.find('KEY')).toEqual(session);
});

test('a removed session is gone', async () => {
  const { sessions } = cache();
  sessions.save('KEY', session);
  sessions.remove('KEY');
  expect(await sessions.find('KEY')).toBe(null);
});

test('nothing in the store is no session', async () => {
  const { sessions, store } = cache();
  await store.update('KEY', Buffer.alloc(0));
  expect(await sessions.find('KEY')).toBe(null);
});

test('a store that fails is an empty one, and it is said once until it works again', async () => {
  let works = false;
  const fail = async (): Promise<never> => {
    throw new Error('connection refused');
  };
  const { sessions, warnings } = cache(
    broken({
      lookup: () => (works ? Promise.resolve(null) : fail()),
      update: fail,
      delete: () => {
        throw new Error('not even a promise');
      },
    }),
  );
  expect(await sessions.find('KEY')).toBe(null);
  sessions.save('KEY', session);
  sessions.remove('KEY');
  await sessions.find('KEY');
  expect(warnings).toEqual(['smtp session cache: connection refused']);
  works = true;
  await sessions.find('KEY');
  works = false;
  await sessions.find('KEY');
  expect(warnings).toHaveLength(2);
});

test('a store that does not answer holds nobody up', async () => {
  const { sessions, warnings } = cache(broken({ lookup: () => new Promise(() => undefined) }), 1);
  expect(await sessions.find('KEY')).toBe(null);
  expect(warnings).toEqual(['smtp session cache: no answer']);
});

test('after the end nothing is found, kept or said', async () => {
  const { sessions, lines, warnings } = cache();
  await sessions.close();
  sessions.save('KEY', session);
  sessions.remove('KEY');
  expect(await sessions.find('KEY')).toBe(null);
  expect([...lines, ...warnings]).toEqual([]);
});
