import { expect, test } from 'vitest';
import { resolveSmtp } from '../../lib/config/check.js';
import {
  type CipherSettings,
  cipherList,
  clientCipherList,
  parseGrade,
  serverCipherList,
} from '../../lib/tls/ciphers.js';

const base = { high: 'HIGH', medium: 'HIGH:MEDIUM', null: 'eNULL' };

const settings: CipherSettings = {
  ciphers: 'medium',
  mandatoryCiphers: 'high',
  excludeCiphers: ['RC4'],
  mandatoryExcludeCiphers: ['3DES', 'kRSA'],
};

test('grades are read in any case; low and export mean medium', () => {
  expect(['HIGH', 'medium', 'Null', 'low', 'export'].map((name) => parseGrade(name))).toEqual([
    'high',
    'medium',
    'null',
    'medium',
    'medium',
  ]);
});

test.each(['invalid', 'ultra', '', 'constructor'])('grade "%s" is refused', (grade) => {
  expect(() => parseGrade(grade)).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER' }));
});

test('exclusions are split at commas, blanks and colons and appended in order', () => {
  expect(cipherList({ grade: 'high', exclude: ['a, b:c', 'd'], base })).toBe('HIGH:!a:!b:!c:!d');
});

test.each(['!a', '+a', '-a', '@STRENGTH'])('exclusion "%s" is refused', (word) => {
  expect(() => cipherList({ grade: 'high', exclude: [word], base })).toThrow(
    expect.objectContaining({ code: 'INVALID_PARAMETER' }),
  );
});

test.each([
  [{ enforce: false, askCert: false }, 'HIGH:MEDIUM:!RC4'],
  [{ enforce: false, askCert: true }, 'HIGH:MEDIUM:!RC4:!aNULL'],
  [{ enforce: true, askCert: false }, 'HIGH:!RC4:!3DES:!kRSA'],
  [{ enforce: true, askCert: true }, 'HIGH:!RC4:!3DES:!kRSA:!aNULL'],
])('a server with %o uses %s', (mode, list) => {
  expect(serverCipherList(settings, mode, base)).toBe(list);
});

test.each([
  ['may', 'HIGH:MEDIUM:!RC4'],
  ['encrypt', 'HIGH:!RC4:!3DES:!kRSA:!eNULL'],
  ['fingerprint', 'HIGH:!RC4:!3DES:!kRSA:!aNULL'],
  ['dane', 'HIGH:!RC4:!3DES:!kRSA:!aNULL'],
  ['secure', 'HIGH:!RC4:!3DES:!kRSA:!aNULL'],
] as const)('a client at level %s uses %s', (level, list) => {
  expect(clientCipherList(settings, level, base)).toBe(list);
});

test("a destination's exclusions replace the configured ones but not the forced one", () => {
  const policy = { ciphers: 'medium', exclude: ['MD5'] };
  expect(clientCipherList(settings, 'may', base, policy)).toBe('HIGH:MEDIUM:!MD5');
  expect(clientCipherList(settings, 'encrypt', base, policy)).toBe('HIGH:MEDIUM:!MD5:!eNULL');
  expect(clientCipherList(settings, 'secure', base, { exclude: [] })).toBe('HIGH:!aNULL');
});

test('the default base lists are those of Postfix', () => {
  const { tls } = resolveSmtp({});
  expect(tls.highCipherlist).toMatch(/^aNULL:-aNULL:HIGH:!SEED:.*:!MD5:@STRENGTH$/);
  expect(tls.mediumCipherlist).toMatch(/^aNULL:-aNULL:HIGH:MEDIUM:!SEED:.*:\+RC4:@STRENGTH$/);
});
