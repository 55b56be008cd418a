/** The ticket keys of a service: from those who know them, else made. */
import { expect, onTestFinished, test } from 'vitest';
import { KeyKeeper } from '../../lib/tlsmgr/key-keeper.js';
import type { SealedKey } from '../../lib/tlsmgr/sealed-key.js';
import { Lines } from '../helpers/lines.js';
import { FilledSource, TurnedClock } from '../helpers/ticket-keys.js';

const period = 60_000;
const wrappingKey = Buffer.alloc(32, 'keeper');

async function open(clock: TurnedClock): Promise<KeyKeeper> {
  const keeper = await KeyKeeper.open({ wrappingKey, period, clock, logger: new Lines() });
  onTestFinished(() => keeper.close());
  return keeper;
}

/** What a subscriber knows, as it changes. */
function subscriber(keeper: KeyKeeper, known: readonly SealedKey[] = []) {
  const told: (readonly SealedKey[])[] = [];
  keeper.subscribe(known, (keys) => told.push(keys));
  return { told, keys: () => told.at(-1) ?? [] };
}

test('who was started anew goes on with the keys of the first who comes', async () => {
  const clock = new TurnedClock();
  const before = subscriber(await open(clock));
  clock.pass(period / 2);
  expect(before.keys()).toHaveLength(2);
  const again = await open(clock);
  const after = subscriber(again, before.keys());
  expect(after.told).toEqual([before.keys()]);
  expect(again.keys).toEqual(before.keys());
});

test('who comes later with other keys is heard, and all have the keys of both', async () => {
  const clock = new TurnedClock();
  const before = subscriber(await open(clock));
  const again = await open(clock);
  const fresh = subscriber(again);
  expect(fresh.keys()).toHaveLength(1);
  expect(fresh.keys()).not.toEqual(before.keys());
  const old = subscriber(again, before.keys());
  expect(new Set(old.keys())).toEqual(new Set([...(fresh.told[0] ?? []), ...before.keys()]));
  expect(fresh.keys()).toEqual(old.keys());
});

test('what is no key of ours, or over, is passed over', async () => {
  const clock = new TurnedClock();
  const foreign = new FilledSource('another').mint(clock.now() - 1, clock.now() + period);
  const over = new FilledSource('keeper').mint(1, 2);
  const { keys } = subscriber(await open(clock), [foreign, over, Buffer.alloc(5)]);
  expect(keys()).toHaveLength(1);
  expect(keys()).not.toContainEqual(foreign);
});
