/** Connections that wait for a message: which is found, and when each one ends. */
import { expect, test } from 'vitest';
import { ConnectionPool, type ConnectionPoolProps } from '../../lib/delivery/connection-pool.js';
import { HeldClock } from '../helpers/held-clock.js';

class Kept {
  usable = true;
  uses = 1;
  ended = false;
  readonly begun: number;

  constructor(begun: number) {
    this.begun = begun;
  }

  quit(): void {
    this.ended = true;
    this.usable = false;
  }
}

function world(limits: Partial<ConnectionPoolProps> = {}) {
  const clock = new HeldClock();
  const pool = new ConnectionPool<Kept>({
    ...{ idleLimit: 2000, ageLimit: 300_000, reuseLimit: 0, clock },
    ...limits,
  });
  return { clock, pool, connection: () => new Kept(clock.now()) };
}

test('a connection is found by its key, once', () => {
  const { pool, connection } = world();
  const kept = connection();
  pool.give('a', null, kept);
  expect(pool.take('b', null)).toBe(null);
  expect(pool.take('a', null)).toBe(kept);
  expect(pool.take('a', null)).toBe(null);
  expect(kept.ended).toBe(false);
});

test('the one that was used last comes first', () => {
  const { pool, connection } = world();
  const [first, second] = [connection(), connection()];
  pool.give('a', null, first);
  pool.give('a', null, second);
  expect(pool.take('a', null)).toBe(second);
  expect(pool.take('a', null)).toBe(first);
});

test('what belongs to a batch is for that batch, and ends with it', () => {
  const { pool, connection } = world();
  const [one, other] = [{}, {}];
  const [kept, shared] = [connection(), connection()];
  pool.give('a', one, kept);
  pool.give('a', null, shared);
  expect(pool.take('a', other)).toBe(shared);
  expect(pool.take('a', null)).toBe(null);
  pool.endBatch(other);
  expect(kept.ended).toBe(false);
  pool.endBatch(one);
  expect(kept.ended).toBe(true);
});

test('one that has broken is not given out, and the one behind it is', () => {
  const { pool, connection } = world();
  const [fine, broken] = [connection(), connection()];
  pool.give('a', null, fine);
  pool.give('a', null, broken);
  broken.usable = false;
  expect(pool.take('a', null)).toBe(fine);
  expect(pool.size).toBe(0);
});

test('one that cannot be used any more is not kept', () => {
  const { pool, connection } = world();
  const kept = connection();
  kept.usable = false;
  pool.give('a', null, kept);
  expect(pool.size).toBe(0);
  expect(kept.ended).toBe(true);
});

test('it waits as long as the limit says, and each wait is a new one', () => {
  const { clock, pool, connection } = world();
  const kept = connection();
  pool.give('a', null, kept);
  clock.advance(1999);
  expect(pool.take('a', null)).toBe(kept);
  pool.give('a', null, kept);
  clock.advance(1999);
  expect(kept.ended).toBe(false);
  clock.advance(1);
  expect(kept.ended).toBe(true);
  expect(pool.size).toBe(0);
  expect(clock.timers).toBe(0);
});

test('a limit of 0 keeps nothing', () => {
  const { pool, connection } = world({ idleLimit: 0 });
  const kept = connection();
  pool.give('a', null, kept);
  expect(kept.ended).toBe(true);
});

test('it ends when it is too old, waiting or not', () => {
  const { clock, pool, connection } = world({ ageLimit: 10_000, idleLimit: 8000 });
  const kept = connection();
  clock.advance(5000);
  pool.give('a', null, kept);
  clock.advance(4999);
  expect(pool.take('a', null)).toBe(kept);
  pool.give('a', null, kept);
  clock.advance(1);
  expect(kept.ended).toBe(true);
  const late = connection();
  clock.advance(10_000);
  pool.give('a', null, late);
  expect(late.ended).toBe(true);
});

test.each([
  [1, 1, true],
  [1, 2, false],
  [3, 3, true],
  [3, 4, false],
  [0, 1000, true],
])('with a limit of %i reuses it is kept after %i messages: %s', (reuseLimit, uses, kept) => {
  const { pool, connection } = world({ reuseLimit });
  const used = connection();
  used.uses = uses;
  pool.give('a', null, used);
  expect(used.ended).toBe(!kept);
});

test('those that have waited longest make room', () => {
  const { pool, connection } = world();
  const kept = [connection(), connection(), connection()];
  for (const [i, one] of kept.entries()) {
    pool.give(`key ${i}`, null, one);
  }
  pool.trim(1);
  expect(kept.map(({ ended }) => ended)).toEqual([true, true, false]);
  pool.trim(0);
  expect(pool.size).toBe(0);
});
