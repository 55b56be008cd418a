import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  allWorkarounds,
  type LibraryOptionSettings,
  libraryOptions,
  optionBits,
} from '../../lib/tls/library-options.js';
import { opensslInclude } from '../helpers/openssl.js';

const none: LibraryOptionSettings = {
  disableWorkarounds: '',
  sslOptions: '',
  preemptCipherlist: false,
};

const header = readFileSync(join(opensslInclude(), 'openssl', 'ssl.h'), 'utf8');

/** Value of a macro of ssl.h. */
function macro(name: string): bigint {
  const text = new RegExp(`define SSL_OP_${name}\\s+((?:.*\\\\\\n)*.*)`).exec(header)?.[1] ?? '';
  const bit = /^SSL_OP_BIT\((\d+)\)/.exec(text)?.[1];
  return bit === undefined ? BigInt(text) : 1n << BigInt(bit);
}

test.each(Object.entries(optionBits))('SSL_OP_%s is the bit of ssl.h', (name, bits) => {
  expect(bits).toBe(macro(name));
});

test('SSL_OP_ALL of ssl.h is what counts as all work-arounds', () => {
  const text = /define SSL_OP_ALL\s+\\\n\s*(\([^)]*\))/.exec(header)?.[1] ?? '';
  const names = [...text.matchAll(/SSL_OP_(\w+)/g)].map(([, name]) => name ?? '');
  expect(names.map(macro).reduce((bits, bit) => bits | bit, 0n)).toBe(allWorkarounds);
});

test('nothing set changes nothing', () => {
  expect(libraryOptions(none, 'server')).toEqual({ on: 0n, off: 0n, warnings: [] });
});

test('the order of ciphers is a preference of servers', () => {
  const settings = { ...none, preemptCipherlist: true };
  expect(libraryOptions(settings, 'server').on).toBe(optionBits.CIPHER_SERVER_PREFERENCE);
  expect(libraryOptions(settings, 'client').on).toBe(0n);
});

test.each([
  ['TLSEXT_PADDING', optionBits.TLSEXT_PADDING],
  ['tlsext_padding, CRYPTOPRO_TLSEXT_BUG', 0x8000_0010n],
  ['CVE-2010-4180 MICROSOFT_SESS_ID_BUG', 0n],
  ['0x800', optionBits.DONT_INSERT_EMPTY_FRAGMENTS],
  ['ffffffffffffffff', allWorkarounds],
  ['LEGACY_SERVER_CONNECT', 0n],
])('tls_disable_workarounds = %s takes away %s, and the work-around for Safari', (text, bits) => {
  const { on, off, warnings } = libraryOptions({ ...none, disableWorkarounds: text }, 'server');
  expect(warnings).toEqual([]);
  expect(on).toBe(0n);
  expect(off).toBe(bits | optionBits.SAFARI_ECDHE_ECDSA_BUG);
});

test.each([
  ['NO_TICKET', optionBits.NO_TICKET],
  ['prioritize_chacha no_compression', (1n << 21n) | (1n << 17n)],
  ['0x100000000', 1n << 32n],
  ['NO_RENEGOTIATION, 4', (1n << 30n) | (1n << 2n)],
  // Of SSL_OP_ALL, of protocols, the preference, and the end of file: not here.
  ['0xbe4008d0', 0n],
])('tls_ssl_options = %s adds %s', (text, bits) => {
  for (const role of ['server', 'client'] as const) {
    expect(libraryOptions({ ...none, sslOptions: text }, role)).toEqual({
      on: bits,
      off: 0n,
      warnings: [],
    });
  }
});

test("unknown names are warnings in Postfix's words, and the others count", () => {
  const settings = {
    ...none,
    disableWorkarounds: 'FOO TLSEXT_PADDING',
    sslOptions: 'BAR, NO_TICKET, 0xzz, 10000000000000000',
  };
  const { on, off, warnings } = libraryOptions(settings, 'server');
  expect(on).toBe(optionBits.NO_TICKET);
  expect(off).toBe(optionBits.TLSEXT_PADDING | optionBits.SAFARI_ECDHE_ECDSA_BUG);
  expect(warnings).toEqual([
    'unknown tls_disable_workarounds value "FOO" in "FOO TLSEXT_PADDING"',
    'unknown tls_ssl_options value "BAR" in "BAR, NO_TICKET, 0xzz, 10000000000000000"',
    'unknown tls_ssl_options value "0xzz" in "BAR, NO_TICKET, 0xzz, 10000000000000000"',
    'unknown tls_ssl_options value "10000000000000000" in "BAR, NO_TICKET, 0xzz, 10000000000000000"',
  ]);
});
