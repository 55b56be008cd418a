import { expect, test } from 'vitest';
import { TlsError } from '../../lib/errors.js';
import {
  checkClientLevel,
  clientLevel,
  isDaneBased,
  isOpportunistic,
  isPkix,
  mustEncrypt,
  mustMatch,
  neverVerified,
  serverLevel,
  serverTlsMode,
  type TlsLevel,
  usesTls,
} from '../../lib/tls/levels.js';

const levels: readonly TlsLevel[] = [
  'none',
  'may',
  'encrypt',
  'fingerprint',
  'halfdane',
  'dane',
  'dane-only',
  'verify',
  'secure',
];

function holders(predicate: (level: TlsLevel) => boolean): readonly TlsLevel[] {
  return levels.filter(predicate);
}

test('each predicate holds for the levels it is named after', () => {
  expect(holders(usesTls)).toEqual(levels.slice(1));
  expect(holders(mustEncrypt)).toEqual(levels.slice(2));
  expect(holders(mustMatch)).toEqual(levels.slice(3));
  expect(holders(isDaneBased)).toEqual(['halfdane', 'dane', 'dane-only']);
  expect(holders(isPkix)).toEqual(['verify', 'secure']);
  expect(holders(isOpportunistic)).toEqual(['may', 'dane']);
  expect(holders(neverVerified)).toEqual(['halfdane']);
});

test('level names are read in any case, and halfdane cannot be asked for', () => {
  expect(clientLevel('Dane-Only')).toBe('dane-only');
  expect(clientLevel('halfdane')).toBeNull();
  expect(clientLevel('must')).toBeNull();
});

test('a client level is one of those that can be asked for', () => {
  expect(checkClientLevel('Encrypt')).toBe('encrypt');
  expect(checkClientLevel('dane-only')).toBe('dane-only');
  for (const level of ['halfdane', 'musst']) {
    expect(() => checkClientLevel(level)).toThrow(TlsError);
  }
  expect(() => checkClientLevel('musst')).toThrow(
    /invalid TLS level "musst"; use none, may, encrypt, fingerprint, dane, dane-only, verify, secure/,
  );
});

test('a server takes client levels that authenticate for encrypt, with a warning', () => {
  expect(serverLevel('May')).toEqual({ level: 'may', warning: null });
  expect(serverLevel('verify')).toEqual({
    level: 'encrypt',
    warning: 'unsupported TLS level "verify", using "encrypt"',
  });
  expect(serverLevel('dane')).toBeNull();
  expect(serverLevel('always')).toBeNull();
});

test('wrappermode makes TLS mandatory whatever the level', () => {
  expect(serverTlsMode({ wrappermode: true })).toMatchObject({ use: true, enforce: true });
});

test.each([
  [{}, { use: false, enforce: false, askCert: false, requireCert: false }],
  [{ securityLevel: 'may' }, { use: true, enforce: false, askCert: false, requireCert: false }],
  [
    { securityLevel: 'may', reqCcert: true },
    { askCert: false, requireCert: false },
  ],
  [
    { securityLevel: 'may', askCcert: true },
    { askCert: true, requireCert: false },
  ],
  [
    { securityLevel: 'encrypt', reqCcert: true },
    { askCert: true, requireCert: true },
  ],
  [
    { securityLevel: 'encrypt', askCcert: true },
    { askCert: true, requireCert: false },
  ],
] as const)('server settings %o come to %o', (settings, mode) => {
  expect(serverTlsMode(settings)).toMatchObject(mode);
});
