/** `$name` and its relatives. Results are those of Postfix 3.10; where it is fatal, so are we. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expand } from '../../lib/config/expand.js';
import { referredNames } from '../../lib/config/reference.js';
import { TlsError } from '../../lib/errors.js';
import { expansions, expansionValues, wrongExpansions } from '../helpers/expansions.js';

function lookup(name: string): string | null {
  return Object.hasOwn(expansionValues, name) ? (expansionValues[name] ?? null) : null;
}

test.each(expansions)('%s is "%s"', (text, value) => {
  expect(expand('x', text, lookup)).toBe(value);
});

test.each(wrongExpansions)('%s is an error', (text, message) => {
  expect(() => expand('x', text, lookup)).toThrow(
    expect.objectContaining({
      code: 'INVALID_PARAMETER',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    }),
  );
});

test('a circle is found, and named', () => {
  const circle: Readonly<Record<string, string>> = { a: '$b', b: '${c?{x}}', c: '$(a)' };
  expect(() => expand('a', '$b', (name) => circle[name] ?? null)).toThrow(
    'c: the value refers to itself: a -> b -> c -> a',
  );
});

test('references that multiply are stopped, whether they come to anything or not', () => {
  for (const end of ['', 'x']) {
    const doubled = (name: string): string => {
      const depth = Number(name.slice(1));
      return depth === 0 ? end : `$a${depth - 1}$a${depth - 1}`;
    };
    expect(() => expand('x', '$a60', doubled)).toThrow(/nested too deep or too many/);
  }
});

test('brackets in brackets are stopped', () => {
  const text = `${'${bar?{'.repeat(5000)}${'}}'.repeat(5000)}`;
  expect(() => expand('x', text, lookup)).toThrow(/nested too deep or too many/);
});

const fragments = fc.constantFrom(
  ...['$', '$$', '${', '$(', '{', '}', '(', ')', '?', ':', ' ', '==', '<level', '<', '>=', '!='],
  ...['a', 'b', 'c', '1', '3.6', '.', '\n', '\u00e9', '${a', '${{', '$a', '$b', '$c', '$nosuch'],
);
const texts = fc.array(fragments, { maxLength: 30 }).map((parts) => parts.join(''));

test('any texts end in a value or in a TlsError', () => {
  fc.assert(
    fc.property(texts, texts, texts, (a, b, c) => {
      const known: Readonly<Record<string, string>> = { a, b, c };
      const find = (name: string): string | null =>
        Object.hasOwn(known, name) ? (known[name] ?? null) : null;
      try {
        expect(typeof expand('a', a, find)).toBe('string');
      } catch (error) {
        expect(error).toBeInstanceOf(TlsError);
        expect((error as TlsError).code).toBe('INVALID_PARAMETER');
      }
    }),
    { numRuns: 2000 },
  );
});

test('a text whose dollars are doubled is itself', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(expand('x', text.replaceAll('$', '$$$$'), () => null)).toBe(text);
    }),
  );
});

test('the names a text refers to', () => {
  expect(referredNames('$a ${b?{$c}:{d}} $(e) $$f ${{$g} == {h} ? {1}}')).toEqual([
    'a',
    'b',
    'c',
    'e',
    'g',
  ]);
});
