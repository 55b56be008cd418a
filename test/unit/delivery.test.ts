import { expect, test } from 'vitest';
import {
  type DeliveryRecord,
  deliveryDelays,
  deliveryLine,
  formatDelay,
  tlsField,
} from '../../lib/log/delivery.js';

test.each([
  [0, '0'],
  [0.004, '0'],
  [0.005, '0.01'],
  [0.0149, '0.01'],
  [0.03, '0.03'],
  [0.0996, '0.1'],
  [0.104, '0.1'],
  [0.456, '0.46'],
  [0.995, '1'],
  [1, '1'],
  [1.04, '1'],
  [1.05, '1.1'],
  [2.84, '2.8'],
  [4.6, '4.6'],
  [9.94, '9.9'],
  [9.96, '10'],
  [10.4, '10'],
  [10.5, '11'],
  [99.7, '100'],
  [123.4, '123'],
  [4711.5, '4712'],
  [432000, '432000'],
  [-3, '0'],
])('a delay of %d seconds is written %s', (seconds, text) => {
  expect(formatDelay(seconds)).toBe(text);
});

test('delays count from arrival, activation, connecting and being connected', () => {
  expect(deliveryDelays({ arrival: 0, active: 30, handoff: 40, ready: 2840, done: 4540 })).toEqual({
    delay: 4.54,
    delays: [0.03, 0.01, 2.8, 1.7],
  });
});

test('a connection that never came takes all the remaining time', () => {
  expect(
    deliveryDelays({ arrival: 0, active: 0, handoff: 0, ready: null, done: 3000 }).delays,
  ).toEqual([0, 0, 3, 0]);
});

test('a clock that went back makes a delay zero', () => {
  expect(
    deliveryDelays({ arrival: 5000, active: 1000, handoff: 1000, ready: 1500, done: 2000 }),
  ).toEqual({ delay: 0, delays: [0, 0, 0.5, 0.5] });
});

test.each([
  [{ initial: 'may', final: 'may', violated: false }, 'may'],
  [{ initial: 'may', final: 'none', violated: false }, 'may:none'],
  [{ initial: 'may', final: null, violated: false }, 'may?'],
  [{ initial: 'secure', final: null, violated: true }, '!secure'],
  [{ initial: 'secure', final: 'secure', violated: true }, '!secure'],
  [{ initial: 'dane', final: 'encrypt', violated: false }, 'dane:encrypt'],
  [{ initial: 'unknown', final: null, violated: false }, 'unknown?'],
])('the tls field of %o is %s', (level, text) => {
  expect(tlsField(level)).toBe(text);
});

test('the tls field has a second element for REQUIRETLS', () => {
  const may = { initial: 'may', final: 'may', violated: false };
  const violated = { initial: 'requiretls', final: 'nocertmatch', violated: true };
  expect(tlsField(may, violated)).toBe('may/!requiretls:nocertmatch');
});

const record: DeliveryRecord = {
  queueId: '92616901F9D',
  recipient: 'u@example.com',
  origRecipient: null,
  relay: 'mx.example.com[198.51.100.1]:25',
  connUse: 1,
  delay: 4.6,
  delays: [0.03, 0.01, 2.8, 1.7],
  tls: 'may',
  dsn: '2.0.0',
  status: 'sent',
  text: '250 2.0.0 Ok: queued as 4A1',
};

test('a delivery record has the fields of Postfix in their order', () => {
  expect(deliveryLine(record)).toBe(
    '92616901F9D: to=<u@example.com>, relay=mx.example.com[198.51.100.1]:25, delay=4.6, delays=0.03/0.01/2.8/1.7, tls=may, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4A1)',
  );
});

test('optional fields of a delivery record appear when they say something', () => {
  expect(
    deliveryLine({
      ...record,
      origRecipient: 'alias@example.com',
      connUse: 2,
      tls: null,
      relay: null,
    }),
  ).toBe(
    '92616901F9D: to=<u@example.com>, orig_to=<alias@example.com>, relay=none, conn_use=2, delay=4.6, delays=0.03/0.01/2.8/1.7, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4A1)',
  );
});
