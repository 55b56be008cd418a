import { expect, test } from 'vitest';
import { groupList } from '../../lib/tls/groups.js';

const known = new Set(['X25519MLKEM768', '?X25519MLKEM768', 'X25519', 'prime256v1', 'ffdhe2048']);
const supported = (element: string): boolean => known.has(element);

test('empty lists leave the choice to the library', () => {
  expect(groupList([], [' ,'], supported)).toEqual({ groups: null, warning: null });
});

test('unknown groups and duplicates are dropped, finite-field groups come last', () => {
  expect(
    groupList(['?X25519MLKEM768:X25519, brainpool'], ['ffdhe2048', 'x25519'], supported),
  ).toEqual({
    groups: '?X25519MLKEM768:X25519:ffdhe2048',
    warning: null,
  });
});

test("nothing usable leaves the library's groups, with a warning", () => {
  const list = groupList(['foo'], ['bar'], supported);
  expect(list.groups).toBeNull();
  expect(list.warning).toMatch(/^none of the configured key exchange groups are supported/);
});
