/** The store of TLS sessions of one process, by a clock of the test. */
import { expect, test } from 'vitest';
import { cacheTimeout, MemorySessionStore } from '../../lib/session-cache/store.js';
import { HeldClock } from '../helpers/held-clock.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function store(timeout: number, limit = 100) {
  const clock = new HeldClock();
  return { clock, sessions: new MemorySessionStore({ timeout, limit, clock }) };
}

test.each([
  [-1, 0],
  [0, 0],
  [1, 120],
  [119, 120],
  [120, 120],
  [3600, 3600],
  [8_640_000, 8_640_000],
  [8_640_001, 8_640_000],
])('a time-out of %i seconds comes to %i', (given, used) => {
  expect(cacheTimeout(given)).toBe(used);
});

test('there is one session per id: the last one', async () => {
  const { sessions } = store(3600);
  await sessions.update('a', bytes('one'));
  await sessions.update('a', bytes('two'));
  await sessions.update('b', bytes('three'));
  expect(await sessions.lookup('a')).toEqual(bytes('two'));
  expect(await sessions.lookup('b')).toEqual(bytes('three'));
  expect(await sessions.lookup('c')).toBe(null);
  expect(sessions.size).toBe(2);
});

test('a deleted session is gone', async () => {
  const { sessions } = store(3600);
  await sessions.update('a', bytes('one'));
  await sessions.delete('a');
  expect(await sessions.lookup('a')).toBe(null);
});

test('the bytes are a copy', async () => {
  const { sessions } = store(3600);
  const session = bytes('one');
  await sessions.update('a', session);
  session.fill(0);
  expect(await sessions.lookup('a')).toEqual(bytes('one'));
});

test('a session lives as long as the time-out says, however often it is looked up', async () => {
  const { sessions, clock } = store(3600);
  await sessions.update('a', bytes('one'));
  clock.advance(3_599_000);
  expect(await sessions.lookup('a')).toEqual(bytes('one'));
  clock.advance(1000);
  expect(await sessions.lookup('a')).toEqual(bytes('one'));
  clock.advance(1);
  expect(await sessions.lookup('a')).toBe(null);
});

test('a time-out of 0 keeps nothing', async () => {
  const { sessions, clock } = store(0);
  await sessions.update('a', bytes('one'));
  expect(await sessions.lookup('a')).toBe(null);
  expect(clock.timers).toBe(0);
});

test('the session unused for longest makes room', async () => {
  const { sessions } = store(3600, 2);
  await sessions.update('a', bytes('one'));
  await sessions.update('b', bytes('two'));
  await sessions.lookup('a');
  await sessions.update('c', bytes('three'));
  expect(await sessions.lookup('a')).toEqual(bytes('one'));
  expect(await sessions.lookup('b')).toBe(null);
  expect(await sessions.lookup('c')).toEqual(bytes('three'));
});

test('a session of more than 16 KiB is not kept, and takes the former one along', async () => {
  const { sessions } = store(3600);
  await sessions.update('a', new Uint8Array(16 * 1024));
  expect((await sessions.lookup('a'))?.length).toBe(16 * 1024);
  await sessions.update('a', new Uint8Array(16 * 1024 + 1));
  expect(await sessions.lookup('a')).toBe(null);
});

test('one timer for all removes what has expired, and goes with the last session', async () => {
  const { sessions, clock } = store(120);
  expect(clock.timers).toBe(0);
  await sessions.update('a', bytes('one'));
  clock.advance(130_000);
  await sessions.update('b', bytes('two'));
  expect(clock.timers).toBe(1);
  clock.advance(110_000);
  expect(sessions.size).toBe(1);
  clock.advance(120_000);
  expect(sessions.size).toBe(0);
  expect(clock.timers).toBe(0);
});

test('a closed store holds nothing and takes nothing', async () => {
  const { sessions, clock } = store(3600);
  await sessions.update('a', bytes('one'));
  await sessions.close();
  expect(sessions.size).toBe(0);
  expect(clock.timers).toBe(0);
  const closed = { class: 'usage', code: 'INVALID_STATE' };
  await expect(sessions.lookup('a')).rejects.toMatchObject(closed);
  await expect(sessions.update('a', bytes('one'))).rejects.toMatchObject(closed);
  await expect(sessions.delete('a')).rejects.toMatchObject(closed);
});
