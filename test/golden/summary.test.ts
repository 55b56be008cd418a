/** The TLS summary line against golden files: one properties file (.json) and one line (.log) per case. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type TlsSummaryProps, tlsSummary } from '../../lib/log/summary.js';

const folder = new URL('./summary/', import.meta.url);
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));

function read(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8');
}

test('there are golden files', () => {
  expect(names.length).toBeGreaterThanOrEqual(14);
});

test.each(names)('summary line %s', (name) => {
  const props = JSON.parse(read(`${name}.json`)) as TlsSummaryProps;
  expect(`${tlsSummary(props)}\n`).toBe(read(`${name}.log`));
});
