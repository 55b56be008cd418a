/** The store's clock, by a host whose own is another. */
import { expect, test } from 'vitest';
import { StoreClock } from '../../lib/tlsmgr/store-clock.js';

/** A store `ahead` of our clock that takes `delays`, there and back, to be asked. */
function world(ahead: number) {
  let own = 1_700_000_000_000;
  const delays = { there: 0, back: 0 };
  const clock = new StoreClock({ now: () => own });
  const store = {
    time: async (): Promise<number[]> => {
      own += delays.there;
      const time = own + ahead;
      own += delays.back;
      return [Math.floor(time / 1000), (time % 1000) * 1000 + 999];
    },
  };
  return { clock, store, delays, error: () => clock.now() - own - ahead };
}

test.each([30_000, -30_000, 86_400_000])('%i ms away is found by asking', async (ahead) => {
  const { clock, store, error } = world(ahead);
  expect(error()).toBe(-ahead);
  expect(await clock.ask(store)).toBe(true);
  expect(error()).toBe(0);
  expect(await clock.ask(store)).toBe(false);
});

test('one clock stays one, however long the answer takes', async () => {
  const { clock, store, delays, error } = world(0);
  delays.back = 400;
  expect(await clock.ask(store)).toBe(false);
  expect(error()).toBe(0);
});

test('an answer that was faster mends what a slow one has left', async () => {
  const { clock, store, delays, error } = world(5000);
  delays.back = 400;
  await clock.ask(store);
  expect(Math.abs(error())).toBe(200);
  delays.back = 10;
  expect(await clock.ask(store)).toBe(true);
  expect(Math.abs(error())).toBe(5);
});

test('what is no time is none', async () => {
  const { clock } = world(0);
  const now = clock.now();
  expect(await clock.ask({ time: async () => [Number.NaN, 0] })).toBe(false);
  expect(clock.now()).toBe(now);
});
