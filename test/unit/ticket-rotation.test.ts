/** When ticket keys are made and used: the algorithm against a plain model, under any clock. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KeyTimes, keysToMake, lead, nextChange, roles } from '../../lib/tlsmgr/rotation.js';

interface Key extends KeyTimes {
  readonly name: string;
  readonly retires: number;
}

let made = 0;

function key({ activeFrom, expires }: KeyTimes, name = String(++made).padStart(8, '0')): Key {
  return { name, activeFrom, expires, retires: 2 * expires - activeFrom };
}

/** One turn of whoever makes the keys. */
function turn(keys: readonly Key[], now: number, period: number): readonly Key[] {
  const alive = keys.filter(({ retires }) => retires > now);
  return [...alive, ...keysToMake(alive, now, period).map((times) => key(times))];
}

/**
 * The model: with keys that follow each other without a gap from `start` on, the nth is active in its period, previous in
 * the next, and next in the second half of the one before.
 */
function model(start: number, period: number, now: number) {
  const n = Math.floor((now - start) / period);
  const late = now - (start + n * period) >= period - lead(period);
  return { previous: n > 0 ? n - 1 : null, active: n, next: late ? n + 1 : null };
}

const period = fc.integer({ min: 2, max: 4_320_000_000 });
const start = fc.integer({ min: 0, max: 4_000_000_000_000 });

test('who takes a turn whenever something changes has the keys of the model', () => {
  fc.assert(
    fc.property(period, start, fc.integer({ min: 1, max: 60 }), (length, begin, turns) => {
      let keys: readonly Key[] = [];
      let now = begin;
      for (let i = 0; i < turns; i++) {
        keys = turn(keys, now, length);
        const expected = model(begin, length, now);
        const { next, active, previous } = roles(keys, now);
        const number = (one: Key | null) => one && (one.activeFrom - begin) / length;
        expect([number(previous), number(active), number(next)]).toEqual([
          expected.previous,
          expected.active,
          expected.next,
        ]);
        expect(keys.length).toBeLessThanOrEqual(3);
        const change = nextChange(keys, now);
        expect(change).toBeGreaterThan(now);
        now = change;
      }
    }),
  );
});

test('the next key exists at least a quarter of a period before its first use', () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 1_000_000 }), (length) => {
      expect(lead(length)).toBeGreaterThanOrEqual(length / 4);
      const first = key({ activeFrom: 0, expires: length });
      const [next] = keysToMake([first], length - lead(length), length);
      expect(next).toEqual({ activeFrom: length, expires: 2 * length });
      expect(keysToMake([first], length - lead(length) - 1, length)).toEqual([]);
    }),
  );
});

test('a ticket younger than a period, less what clocks differ by, is taken by all who are told in time', () => {
  const skew = fc.integer({ min: -15_000, max: 15_000 });
  fc.assert(
    fc.property(
      fc.integer({ min: 120_000, max: 10_000_000 }),
      fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 80 }),
      skew,
      skew,
      fc.nat(),
      (length, steps, issuer, taker, age) => {
        let keys: readonly Key[] = [];
        let now = 1_000_000_000;
        const tickets: { name: string; at: number }[] = [];
        for (const step of steps) {
          now += step;
          keys = turn(keys, now, length);
          const { active } = roles(keys, now + issuer);
          if (active !== null) {
            tickets.push({ name: active.name, at: now });
          }
          const bound = Math.min(length - 30_000, age % length);
          for (const { name } of tickets.filter(({ at }) => now - at < bound)) {
            const three = Object.values(roles(keys, now + taker));
            expect(three.some((one: Key | null) => one?.name === name)).toBe(true);
          }
        }
      },
    ),
  );
});

describe('whatever the clock does', () => {
  const times = fc.array(fc.integer({ min: -500_000, max: 1_000_000 }), { maxLength: 50 });

  test('there is an active key after each turn, in its time, and none is used after it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 100_000 }), times, (length, steps) => {
        let keys: readonly Key[] = [];
        let now = 1_000_000_000;
        for (const step of steps) {
          now += step;
          keys = turn(keys, now, length);
          const { next, active, previous } = roles(keys, now);
          expect(active).not.toBeNull();
          if (active !== null) {
            expect(active.activeFrom <= now && now < active.expires).toBe(true);
          }
          expect(next === null || next.activeFrom > now).toBe(true);
          expect(previous === null || now < previous.retires).toBe(true);
          expect(turn(keys, now, length)).toHaveLength(keys.length); // one turn is enough
        }
      }),
    );
  });

  test('all who have the same keys and time agree, in whatever order they heard of them', () => {
    const anyKey = fc
      .tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 100 }), fc.string())
      .map(([activeFrom, length, name]) => key({ activeFrom, expires: activeFrom + length }, name));
    fc.assert(
      fc.property(
        fc.uniqueArray(anyKey, { maxLength: 8, selector: ({ name }) => name }),
        fc.integer({ min: 0, max: 500 }),
        (keys, now) => {
          expect(roles([...keys].reverse(), now)).toEqual(roles(keys, now));
        },
      ),
    );
  });
});

test('after two rollovers a key is nobody', () => {
  const length = 60_000;
  let keys: readonly Key[] = [];
  const seen = new Map<string, number>();
  for (let now = 0; now < 20 * length; now += 1000) {
    keys = turn(keys, now, length);
    for (const one of Object.values(roles(keys, now))) {
      if (one !== null) {
        seen.set(one.name, now - one.activeFrom);
      }
    }
  }
  expect(Math.max(...seen.values())).toBeLessThan(2 * length);
});
