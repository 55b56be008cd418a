/** The delivery record against golden files: one record (.json) and one line (.log) per case. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type DeliveryRecord, deliveryLine } from '../../lib/log/delivery.js';

const folder = new URL('./delivery/', import.meta.url);
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));

function read(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8');
}

test('there are golden files', () => {
  expect(names.length).toBeGreaterThanOrEqual(4);
});

test.each(names)('delivery record %s', (name) => {
  const record = JSON.parse(read(`${name}.json`)) as DeliveryRecord;
  expect(`${deliveryLine(record)}\n`).toBe(read(`${name}.log`));
});
