/** `$name` and its relatives. Results are those of Postfix 3.10; where it is fatal, so are we. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expand } from '../../lib/config/expand.js';
import { referredNames } from '../../lib/config/reference.js';
import { TlsError } from '../../lib/errors.js';

const values: Readonly<Record<string, string>> = {
  compatibility_level: '3.11',
  myhostname: 'h',
  empty: '',
  bar: 'B',
  nested: '$bar${empty?x}',
};

function lookup(name: string): string | null {
  return Object.hasOwn(values, name) ? (values[name] ?? null) : null;
}

test.each([
  ['$myhostname ESMTP', 'h ESMTP'],
  ['$(myhostname)${myhostname}${ myhostname }', 'hhh'],
  ['$bar.baz $bar-baz', 'B.baz B-baz'],
  ['$$$$ a$$b', '$$ a$b'],
  ['${nested}', 'B'],
  // Conditions.
  ['${empty?{a}:{b}}-${empty?a}-${empty:b}', 'b--b'],
  ['${bar?{a}:{b}}-${bar?a}-${bar:b}', 'a-a-'],
  ['${bar?a:b}', 'a:b'],
  ['${bar?{q}:z}x${empty?{q}:z}', 'qxz'],
  ['x${bar?{ q }:{z}}y x${bar? a }y', 'x q y x a y'],
  ['${bar ?{a} : {b}}', 'a'],
  ['${empty:{$bar}}', 'B'],
  ['${empty:$(bar)}', 'B'],
  ['$(bar?{a}:{b})', 'a'],
  ['$(bar?a(b)c)', 'a(b)c'],
  ['${bar?{a{b}c}}', 'a{b}c'],
  ['${bar?}${bar:}${bar?{a}:}', 'a'],
  ['${bar?$$}', '$'],
  ['${unknown?a}${unknown:c}${unknown?{a}:{b}}', 'cb'],
  ['${empty?{$nosuch}}x', 'x'],
  // Comparisons.
  ['${{1} == {1.0} ? {eq} : {ne}}', 'ne'],
  ['${{10} < {9} ? {lt} : {ge}}', 'ge'],
  ['${{010} == {10} ? {1}:{2}}', '1'],
  ['${{99999999999999999999} > {1}?{1}:{2}}', '1'],
  ['${{3.6} < {3.11}?{1}:{2}}', '2'],
  ['${{3.6} <level {3.11} ? {1}:{2}}', '1'],
  ['${{$compatibility_level} <level {3.11} ? {1}:{2}}', '2'],
  ['${{3.6.1} ==level {3.6} ? {1}:{2}}', '2'],
  ['${{3.10} >=level {3.9} ? {1}:{2}}', '1'],
  ['${{abc} <= {abd} ? {1}:{2}}', '1'],
  ['${{x}!={y}?{${bar?{n}:{m}}}:{2}}', 'n'],
  ['${{$bar} == {B} ? {1}:{2}}', '1'],
  ['${{ a } == {a} ? {1}:{2}}', '2'],
  ['${{} == {} ? {1}:{2}}', '1'],
  ['${{a}=={b}:{no}}', 'no'],
  ['${{2}>{1}?{x}}', 'x'],
  ['${{2}>{1}?yes:no}', 'yes:no'],
  ['x${{a}=={a}}y x${{a}=={b}}y', 'xtruey xy'],
])('%s is "%s"', (text, value) => {
  expect(expand('x', text, lookup)).toBe(value);
});

test.each([
  ['$nosuch', 'x: "$nosuch" is no parameter; write "$$" for a dollar sign'],
  ['${nosuch}', 'x: "$nosuch" is no parameter; write "$$" for a dollar sign'],
  ['$constructor', 'x: "$constructor" is no parameter; write "$$" for a dollar sign'],
  ['a $', 'x: "$" is no parameter; write "$$" for a dollar sign'],
  ['a $ b', 'x: "$" is no parameter; write "$$" for a dollar sign'],
  ['${bar', 'x: "${bar" is not closed; write "$$" for a dollar sign'],
  ['$(bar}', 'x: "$(bar}" is not closed; write "$$" for a dollar sign'],
  ['${bar?{a}', 'x: "${bar?{a}" is not closed; write "$$" for a dollar sign'],
  ['${}', 'x: "${}" is no reference to a parameter; write "$$" for a dollar sign'],
  ['${bar.baz}', /"\$\{bar.baz\}" is no reference to a parameter/],
  ['${bar?{a}x}', /is no reference/],
  ['${bar?{a}:{b}x}', /is no reference/],
  ['${empty:{a}:{b}}', /is no reference/],
  ['${$bar?{a}}', /is no reference/],
  ['${{a} ~ {b}?{x}}', /is no reference/],
  ['${{a}?{x}}', /is no reference/],
  ['${{B}==$bar?{1}:{2}}', /is no reference/],
  ['${bar?{a$}}', /"\$" is no parameter/],
  ['${{x} <level {3} ? {1}:{2}}', 'x: "x" is no release of Postfix; write one such as 3.11'],
  ['${{3.10.1.2} <level {4}?{1}:{2}}', /"3.10.1.2" is no release/],
  ['$x', 'x: the value refers to itself: x -> x'],
])('%s is an error', (text, message) => {
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
