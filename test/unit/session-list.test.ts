/** SessionList: what is in it, whatever comes and goes in whatever order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SessionList } from '../../lib/smtpd/session-list.js';

interface Item {
  place: number;
  readonly id: number;
}

test('property: holds what was added and not deleted', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 200 }), (ids) => {
      const list = new SessionList<Item>();
      const expected = new Map<number, Item>();
      for (const id of ids) {
        const item = expected.get(id);
        if (item === undefined) {
          const added = { place: -1, id };
          list.add(added);
          expected.set(id, added);
        } else {
          list.delete(item);
          expected.delete(id);
        }
        expect(list.size).toBe(expected.size);
      }
      expect(new Set(list)).toEqual(new Set(expected.values()));
    }),
  );
});

test('deleting what is not in it changes nothing', () => {
  const list = new SessionList<Item>();
  const [one, other] = [
    { place: -1, id: 1 },
    { place: -1, id: 2 },
  ];
  list.add(one);
  list.delete(other);
  list.delete(one);
  list.delete(one);
  expect([...list]).toEqual([]);
  list.add(other);
  expect([...list]).toEqual([other]);
});
