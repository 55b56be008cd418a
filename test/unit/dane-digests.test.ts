import { expect, test } from 'vitest';
import { daneDigestList } from '../../lib/tls/dane-digests.js';

const supported = (name: string) => ['sha384', 'sha1', 'sha256', 'sha512'].includes(name);

function warnings(...words: readonly string[]): readonly string[] {
  return daneDigestList(words, supported).warnings;
}

test('the default has its numbers from RFC 6698, the rest brings its own', () => {
  expect(daneDigestList(['sha512', 'SHA256', 'sha384=7'], supported)).toEqual({
    digests: [
      ['sha512', 2],
      ['sha256', 1],
      ['sha384', 7],
    ],
    warnings: [],
  });
  expect(daneDigestList([], supported)).toEqual({ digests: [], warnings: [] });
});

test.each([
  ['sha384', 'is neither a digest nor NAME=1..254'],
  ['sha384=0', 'is neither a digest nor NAME=1..254'],
  ['sha384=255', 'is neither a digest nor NAME=1..254'],
  ['sha384=x', 'is neither a digest nor NAME=1..254'],
  ['=3', 'is neither a digest nor NAME=1..254'],
  ['sha384=1', 'has a number that belongs to sha256'],
  ['sha384=2', 'has a number that belongs to sha512'],
  ['sha512=1', 'has a number that belongs to sha256'],
  ['whirl=9', 'is not known to the library'],
])('%s %s', (word, problem) => {
  const list = daneDigestList([word, 'sha256'], supported);
  expect(list.warnings).toEqual([`tls_dane_digests: "${word}" ${problem}, it is ignored`]);
  expect(list.digests).toEqual([['sha256', 1]]);
});

test('a digest or a number that comes twice counts once', () => {
  const repeated = 'repeats a digest or a number, it is ignored';
  expect(warnings('sha256', 'sha256=1')).toEqual([`tls_dane_digests: "sha256=1" ${repeated}`]);
  expect(warnings('sha384=7', 'sha1=7')).toEqual([`tls_dane_digests: "sha1=7" ${repeated}`]);
});
