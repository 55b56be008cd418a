/** The delivery record against golden files: one record (.json) and one line (.log) per case. */
import { expect, test } from 'vitest';
import { type DeliveryRecord, deliveryLine } from '../../lib/log/delivery.js';
import { goldenCases } from '../helpers/golden.js';

const { names, read } = goldenCases(new URL('./delivery/', import.meta.url));

test('there are golden files', () => {
  expect(names.length).toBeGreaterThanOrEqual(4);
});

test.each(names)('delivery record %s', (name) => {
  const record = JSON.parse(read(`${name}.json`)) as DeliveryRecord;
  expect(`${deliveryLine(record)}\n`).toBe(read(`${name}.log`));
});
