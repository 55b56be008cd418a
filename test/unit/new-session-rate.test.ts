/** Rates of new TLS sessions, against the clock. */
import { expect, test } from 'vitest';
import { NetworkList } from '../../lib/smtpd/network-list.js';
import { NewSessionRate } from '../../lib/smtpd/new-session-rate.js';

function rate(limit: number, exceptions: readonly string[] = []) {
  const clock = { now: 1000 };
  const sessions = new NewSessionRate({
    limit,
    unit: 60_000,
    exceptions: new NetworkList(exceptions),
    now: () => clock.now,
  });
  return { sessions, clock };
}

test('the session after the limit is the first that is too many, and tells the count', () => {
  const { sessions } = rate(2);
  expect([1, 2, 3, 4].map(() => sessions.add('192.0.2.1'))).toEqual([null, null, 3, 4]);
});

test('a client at the limit may try; one over it may not', () => {
  const { sessions } = rate(1);
  sessions.add('192.0.2.1');
  expect(sessions.exceeded('192.0.2.1')).toBe(false);
  sessions.add('192.0.2.1');
  expect(sessions.exceeded('192.0.2.1')).toBe(true);
  expect(sessions.exceeded('192.0.2.2')).toBe(false);
});

test('the count begins anew when the unit that began with the first session is over', () => {
  const { sessions, clock } = rate(1);
  sessions.add('192.0.2.1');
  clock.now += 50_000;
  expect(sessions.add('192.0.2.1')).toBe(2);
  clock.now += 10_001;
  expect(sessions.exceeded('192.0.2.1')).toBe(false);
  expect(sessions.add('192.0.2.1')).toBe(null);
});

test('no limit counts nothing, exceptions are not counted', () => {
  const free = rate(0).sessions;
  expect(free.limited).toBe(false);
  expect([1, 2, 3].map(() => free.add('192.0.2.1'))).toEqual([null, null, null]);
  const { sessions } = rate(1, ['192.0.2.0/24']);
  expect([1, 2, 3].map(() => sessions.add('192.0.2.1'))).toEqual([null, null, null]);
  expect(sessions.exceeded('192.0.2.1')).toBe(false);
});
