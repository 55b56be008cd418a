/** The TLS summary line against golden files: one properties file (.json) and one line (.log) per case. */
import { expect, test } from 'vitest';
import { type TlsSummaryProps, tlsSummary } from '../../lib/log/summary.js';
import { goldenCases } from '../helpers/golden.js';

const { names, read } = goldenCases(new URL('./summary/', import.meta.url));

test('there are golden files', () => {
  expect(names.length).toBeGreaterThanOrEqual(14);
});

test.each(names)('summary line %s', (name) => {
  const props = JSON.parse(read(`${name}.json`)) as TlsSummaryProps;
  expect(`${tlsSummary(props)}\n`).toBe(read(`${name}.log`));
});
