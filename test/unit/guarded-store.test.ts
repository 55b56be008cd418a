/** What a store that fails, or says nothing, comes to. */
import { expect, test } from 'vitest';
import { GuardedStore } from '../../lib/session-cache/guarded-store.js';
import { MemorySessionStore, type SessionStore } from '../../lib/session-cache/store.js';
import { Lines } from '../helpers/lines.js';

const session = Uint8Array.of(1, 2, 3);

/** A store whose requests do what `state.how` says. */
function guarded(limit = 1000) {
  const state = { how: 'works' as 'works' | 'fails' | 'hangs', asked: 0 };
  const inner = new MemorySessionStore({ timeout: 3600 });
  const through = async <T>(work: () => Promise<T>): Promise<T> => {
    state.asked++;
    if (state.how === 'fails') {
      throw new Error('it is on fire');
    }
    return state.how === 'hangs' ? new Promise(() => undefined) : work();
  };
  const store: SessionStore = {
    lookup: (id) => through(() => inner.lookup(id)),
    update: (id, bytes) => through(() => inner.update(id, bytes)),
    delete: (id) => through(() => inner.delete(id)),
    close: () => inner.close(),
  };
  const lines = new Lines();
  const guard = new GuardedStore({
    ...{ store, name: 'redis://cache', logger: lines, patience: 50, pause: 0, limit },
  });
  return { state, guard, lines };
}

const warning =
  'warning: session cache redis://cache: it is on fire; TLS sessions are not resumed meanwhile';

test('what works passes through', async () => {
  const { guard, lines } = guarded();
  await guard.update('a', session);
  expect(await guard.lookup('a')).toEqual(session);
  await guard.delete('a');
  expect(await guard.lookup('a')).toBe(null);
  expect(lines.all).toEqual([]);
});

test('a store that fails is one warning however often it is asked, and its return one line', async () => {
  const { state, guard, lines } = guarded();
  await guard.update('a', session);
  state.how = 'fails';
  for (let i = 0; i < 20; i++) {
    expect(await guard.lookup('a')).toBe(null);
    await guard.update('b', session);
    await guard.delete('b');
  }
  expect(lines.all).toEqual([warning]);
  state.how = 'works';
  expect(await guard.lookup('a')).toEqual(session);
  expect(lines.all).toEqual([warning, 'session cache redis://cache: works again']);
  state.how = 'fails';
  await guard.lookup('a');
  expect(lines.all.filter((line) => line === warning)).toHaveLength(2);
});

test('a store that hangs is not waited for', async () => {
  const { state, guard, lines } = guarded();
  state.how = 'hangs';
  expect(await guard.lookup('a')).toBe(null);
  expect(lines.all).toEqual([
    'warning: session cache redis://cache: no answer in 50 ms; TLS sessions are not resumed meanwhile',
  ]);
});

test('of a store that hangs no more is asked than the limit says', async () => {
  const { state, guard } = guarded(3);
  state.how = 'hangs';
  await Promise.all(Array.from({ length: 10 }, () => guard.lookup('a')));
  await guard.lookup('a');
  expect(state.asked).toBe(3);
});
