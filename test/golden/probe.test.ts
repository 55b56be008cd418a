/** What `mxtls probe` prints, against golden files: results and how they are shown (.json), and the text (.log). */
import { expect, test } from 'vitest';
import { type ProbeTextProps, probeText } from '../../lib/cli/probe-text.js';
import type { ProbeResult } from '../../lib/probe/result.js';
import { goldenCases } from '../helpers/golden.js';

const { names, read } = goldenCases(new URL('./probe/', import.meta.url));

interface Case extends ProbeTextProps {
  readonly results: readonly ProbeResult[];
}

function caseOf(name: string): Case {
  return JSON.parse(read(`${name}.json`)) as Case;
}

test('there are golden files', () => {
  expect(names.length).toBeGreaterThanOrEqual(18);
});

test.each(names)('probe %s', (name) => {
  const { results, ...props } = caseOf(name);
  expect(probeText(results, props)).toBe(read(`${name}.log`));
});

test.each(names)('colours change nothing else: %s', (name) => {
  const { results, ...props } = caseOf(name);
  const painted = probeText(results, { ...props, colors: true });
  expect(painted.replaceAll(/\u001b\[\d+m/g, '')).toBe(
    probeText(results, { ...props, colors: false }),
  );
});

test.each(names)('no control character gets through: %s', (name) => {
  const { results, ...props } = caseOf(name);
  expect(probeText(results, { ...props, colors: false })).not.toMatch(/[^\P{Cc}\n]/u);
});
