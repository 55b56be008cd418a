import { expect, test } from 'vitest';
import { groupList } from '../../lib/tls/groups.js';

const known = new Set(['X25519MLKEM768', '?X25519MLKEM768', 'X25519', 'prime256v1', 'ffdhe2048']);
const supported = (list: string): boolean => list.split(':').every((group) => known.has(group));

test('empty lists leave the choice to the library', () => {
  expect(groupList([], [' ,'], supported)).toEqual({ groups: null, warnings: [] });
});

test('unknown groups and duplicates are dropped, finite-field groups come last', () => {
  expect(
    groupList(['?X25519MLKEM768:X25519, brainpool'], ['ffdhe2048', 'x25519'], supported),
  ).toEqual({
    groups: '?X25519MLKEM768:X25519:ffdhe2048',
    warnings: [],
  });
});

const instead = 'using OpenSSL default key exchange groups instead';

test("nothing usable leaves the library's groups, with two warnings", () => {
  expect(groupList(['foo'], ['bar'], supported)).toEqual({
    groups: null,
    warnings: ['none of the configured key exchange groups are supported', instead],
  });
});

test('elements that are fine alone and not together leave them, too', () => {
  const alone = (list: string): boolean => !list.includes(':');
  expect(groupList(['X25519'], ['ffdhe2048'], alone)).toEqual({
    groups: null,
    warnings: [instead],
  });
});

test('a tuple survives without blanks, and loses its slash with them', () => {
  const tuples = (list: string): boolean => list !== '/';
  expect(groupList(['*X25519MLKEM768/X25519'], [], tuples).groups).toBe('*X25519MLKEM768/X25519');
  expect(groupList(['X25519MLKEM768 / X25519'], [], tuples).groups).toBe('X25519MLKEM768:X25519');
});
