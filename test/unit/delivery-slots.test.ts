/** Places for deliveries: limits, order, fairness. */
import { expect, test } from 'vitest';
import { DeliverySlots } from '../../lib/delivery/delivery-slots.js';

class World {
  readonly slots: DeliverySlots;
  /** In the order in which they began. */
  readonly begun: string[] = [];

  constructor(total: number, perDestination: number) {
    this.slots = new DeliverySlots({ total, perDestination });
  }

  /** A delivery `name` to the destination that its first letter is. */
  enter(name: string): void {
    const place = this.slots.enter(name.charAt(0));
    if (place === null) {
      this.begun.push(name);
    } else {
      void place.then(() => this.begun.push(name));
    }
  }

  async leave(destination: string): Promise<void> {
    this.slots.leave(destination);
    await Promise.resolve();
  }
}

test('a place that is free is taken at once', () => {
  const world = new World(2, 1);
  expect(world.slots.enter('a')).toBe(null);
  expect(world.slots.running).toBe(1);
});

test('deliveries to one destination wait for one another, in order', async () => {
  const world = new World(0, 2);
  for (const name of ['a1', 'a2', 'a3', 'a4']) {
    world.enter(name);
  }
  expect(world.begun).toEqual(['a1', 'a2']);
  await world.leave('a');
  expect(world.begun).toEqual(['a1', 'a2', 'a3']);
  await world.leave('a');
  expect(world.begun).toEqual(['a1', 'a2', 'a3', 'a4']);
});

test('a destination that is full holds no other up', () => {
  const world = new World(10, 1);
  for (const name of ['a1', 'a2', 'b1', 'b2', 'c1']) {
    world.enter(name);
  }
  expect(world.begun).toEqual(['a1', 'b1', 'c1']);
});

test('where all places are taken destinations get them in turn', async () => {
  const world = new World(1, 5);
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) {
    world.enter(name);
  }
  for (const destination of ['a', 'a', 'b', 'c', 'a', 'b']) {
    await world.leave(destination);
  }
  expect(world.begun).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

test('who comes while others of its destination wait does not pass them', async () => {
  const world = new World(2, 1);
  for (const name of ['a1', 'a2']) {
    world.enter(name);
  }
  world.slots.leave('a'); // a2 has the place now, and does not know it yet
  world.enter('a3');
  await Promise.resolve();
  expect(world.begun).toEqual(['a1', 'a2']);
  await world.leave('a');
  expect(world.begun).toEqual(['a1', 'a2', 'a3']);
});

test('0 is no limit', () => {
  const world = new World(0, 0);
  for (let i = 0; i < 1000; i++) {
    world.enter('a');
  }
  expect(world.begun).toHaveLength(1000);
});

test('nothing is kept of destinations that nobody delivers to', async () => {
  const world = new World(100, 2);
  const names = Array.from({ length: 2000 }, (_, i) => String.fromCodePoint(0x4e00 + i));
  for (const name of names) {
    world.enter(name);
  }
  expect(world.slots.destinations).toBe(2000);
  for (let left = names.length; left > 0; left--) {
    const running = world.begun[names.length - left] ?? '';
    await world.leave(running);
  }
  expect(world.begun).toHaveLength(2000);
  expect(world.slots).toMatchObject({ running: 0, destinations: 0 });
});

test.each([1, 2, 3, 4, 5])(
  'limits hold, nobody is forgotten, whoever comes and goes (%i)',
  async (seed) => {
    let state = seed;
    const random = (below: number): number => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return Math.floor((state / 2147483648) * below);
    };
    const world = new World(7, 3);
    const running: string[] = [];
    let entered = 0;
    let seen = 0;
    const leave = async (at: number): Promise<void> => {
      const [name = ''] = running.splice(at, 1);
      await world.leave(name.charAt(0));
      running.push(...world.begun.slice(seen));
      seen = world.begun.length;
    };
    for (let step = 0; step < 2000; step++) {
      if (random(2) === 0) {
        world.enter(`${'abcdefgh'.charAt(random(8))}${entered++}`);
      }
      running.push(...world.begun.slice(seen));
      seen = world.begun.length;
      const most = Math.max(
        ...[...'abcdefgh'].map((d) => running.filter((n) => n.startsWith(d)).length),
      );
      if (running.length > 7 || most > 3) {
        expect.fail(`${running.join(' ')} run`);
      }
      if (running.length > 0 && random(2) === 0) {
        await leave(random(running.length));
      }
    }
    while (running.length > 0) {
      await leave(0);
    }
    expect(world.begun).toHaveLength(entered);
    expect(world.slots).toMatchObject({ running: 0, destinations: 0 });
  },
);
