import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { mergeSettings, readAssignments, readMainCf } from '../../lib/config/from-parameters.js';
import { parseMainCf } from '../../lib/config/main-cf.js';
import { TlsError } from '../../lib/errors.js';

const directory = mkdtempSync(join(tmpdir(), 'mxtls-main-cf-'));

afterAll(() => rmSync(directory, { recursive: true }));

function texts(content: string): Record<string, string> {
  const settings = parseMainCf(content, 'main.cf');
  return Object.fromEntries([...settings].map(([name, { text }]) => [name, text]));
}

test('name = value, blanks around both or none', () => {
  expect(texts('a = 1\nb=2\n c\n=x\n'.replace(' c\n=', 'c  =  '))).toEqual({
    a: '1',
    b: '2',
    c: 'x',
  });
  expect(texts('a =\nb = x = y # no comment\n')).toEqual({ a: '', b: 'x = y # no comment' });
});

test('a line that begins with white space continues the one before', () => {
  expect(texts('a = 1,\n    2,\n\t3\nb = 4')).toEqual({ a: '1, 2, 3', b: '4' });
  expect(texts('a =\n  1\n')).toEqual({ a: '1' });
});

test('comments and empty lines are passed over, in a continued line, too', () => {
  expect(texts('# x\n\n  # y\na = 1\n\n# z\n   \n  2\n  # last\n')).toEqual({ a: '1 2' });
});

test('CRLF line ends and a missing last one are fine', () => {
  expect(texts('a = 1\r\n  2\r\nb = 3')).toEqual({ a: '1 2', b: '3' });
});

test('what is set again counts with its last value and says so', () => {
  expect([...parseMainCf('a = 1\nb = 2\na = 3\n', 'main.cf')]).toEqual([
    ['a', { text: '3', origin: 'main.cf, line 3', again: true }],
    ['b', { text: '2', origin: 'main.cf, line 2' }],
  ]);
});

test('the line of a setting is the first of its lines', () => {
  expect(parseMainCf('\n# x\na = 1\n  2\nb = 3\n', 'main.cf').get('b')?.origin).toBe(
    'main.cf, line 5',
  );
});

test.each([
  ['a = 1\nnonsense\n', 'main.cf, line 2: "nonsense" is no parameter setting'],
  ['a b = 1\n', 'main.cf, line 1: "a b = 1" is no parameter setting'],
  ['= 1\n', 'main.cf, line 1: "= 1" is no parameter setting'],
  ['# x\n  a = 1\n', 'main.cf, line 2: the first line begins with white space'],
])('%j is no main.cf', (content, message) => {
  expect(() => parseMainCf(content, 'main.cf')).toThrow(
    expect.objectContaining({
      class: 'config',
      code: 'MAIN_CF',
      message: `${message}; write name = value`,
    }),
  );
});

test('a file is read, and its directory is a parameter', () => {
  writeFileSync(join(directory, 'main.cf'), 'smtp_tls_CAfile = $config_directory/ca.pem\n');
  expect(readMainCf(directory).get('config_directory')?.text).toBe(directory);
  expect(readMainCf(directory).get('smtp_tls_CAfile')?.origin).toBe(`${directory}/main.cf, line 1`);
});

test('a file that is not there is an error of the configuration', () => {
  expect(() => readMainCf(join(directory, 'no'))).toThrow(
    expect.objectContaining({
      code: 'MAIN_CF',
      message: `cannot read ${directory}/no/main.cf: No such file or directory; name a directory that has a main.cf`,
    }),
  );
});

test('assignments are split at the first equals sign, later ones win', () => {
  const settings = readAssignments(['a=1', 'b = x=y ', '{ c = 3 }', 'a=2', 'd=']);
  expect([...settings].map(([name, { text }]) => [name, text])).toEqual([
    ['a', '2'],
    ['b', 'x=y'],
    ['c', '3'],
    ['d', ''],
  ]);
  expect(() => readAssignments(['smtp_tls_loglevel'])).toThrow(
    expect.objectContaining({ code: 'COMMAND_LINE' }),
  );
});

test('the command line overrides main.cf', () => {
  const merged = mergeSettings(parseMainCf('a = 1\nb = 2\n', 'main.cf'), readAssignments(['a=3']));
  expect([...merged].map(([name, { text, origin }]) => [name, text, origin])).toEqual([
    ['a', '3', null],
    ['b', '2', 'main.cf, line 2'],
  ]);
});

test('any text is a main.cf or a MAIN_CF error', () => {
  const line = fc.constantFrom('a', ' ', '\t', '=', '#', '\n', '\r', 'b = 1\n', '\u00e9', '\0');
  fc.assert(
    fc.property(
      fc.array(line).map((parts) => parts.join('')),
      (content) => {
        try {
          for (const [name, { text }] of parseMainCf(content, 'main.cf')) {
            expect(name).toMatch(/^[^\s=]+$/);
            expect(text).toBe(text.trim());
          }
        } catch (error) {
          expect(error).toBeInstanceOf(TlsError);
          expect((error as TlsError).code).toBe('MAIN_CF');
        }
      },
    ),
  );
});

test('what is written comes back', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
  fc.assert(
    fc.property(fc.dictionary(name, value), (settings) => {
      const content = Object.entries(settings)
        .map(([key, text]) => `${key} = ${text}\n`)
        .join('');
      expect(texts(content)).toEqual({ ...settings });
    }),
  );
});
