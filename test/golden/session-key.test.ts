/** Keys of client sessions against golden files: what differs from a plain case (.json), and the key (.log). */
import { expect, test } from 'vitest';
import {
  type ClientSessionKeyProps,
  clientSessionKey,
} from '../../lib/session-cache/client-key.js';
import type { NativePeerAuth } from '../../lib/native.js';
import { goldenCases } from '../helpers/golden.js';

const { names, read } = goldenCases(new URL('./session-key/', import.meta.url));

const auth: NativePeerAuth = {
  names: ['example.com', '.example.com'],
  tlsa: [],
  anchorFiles: [],
  forcedFailure: false,
  mustMatch: true,
  halfDane: false,
  encryptIfUnusable: false,
  requestRpk: false,
};

const plain: ClientSessionKeyProps = {
  service: 'smtp',
  nexthop: 'example.com',
  host: 'mx.example.com',
  address: '192.0.2.1',
  level: 'may',
  heloName: 'mx.example.com',
  libraryVersion: 0x30500040,
  enableRpk: false,
  context: '',
  tls: {
    sni: null,
    cipherList: 'aNULL:-aNULL:HIGH:@STRENGTH',
    protocols: { floor: 0x303, ceiling: 0, exclude: 0 },
    auth: null,
  },
};

type Json = Readonly<Record<string, unknown>>;

/** Records have their data in hex. */
function changed(json: Json): ClientSessionKeyProps {
  const { tls = {}, ...rest } = json as { readonly tls?: Json } & Json;
  const { auth: own, ...session } = tls as { readonly auth?: Json } & Json;
  const tlsa = ((own?.['tlsa'] ?? []) as [number, number, number, string][]).map(
    ([usage, selector, type, hex]) => [usage, selector, type, Buffer.from(hex, 'hex')],
  );
  const demanded = own === undefined ? null : { ...auth, ...own, tlsa };
  return {
    ...plain,
    ...rest,
    tls: { ...plain.tls, ...session, auth: demanded },
  } as ClientSessionKeyProps;
}

const key = (name: string): string => clientSessionKey(changed(JSON.parse(read(`${name}.json`))));

test.each(names)('session key %s', (name) => {
  expect(`${key(name)}\n`).toBe(read(`${name}.log`));
});

test('no two of them are the same, but for the order of TLSA records', () => {
  const same = ['dane-records', 'dane-records-in-another-order'];
  expect(new Set(names.map(key)).size).toBe(names.length - 1);
  expect(key(same[0] ?? '')).toBe(key(same[1] ?? ''));
});

test('texts cannot be moved from one member to the next', () => {
  const one = { ...plain, heloName: 'a', tls: { ...plain.tls, cipherList: 'bc' } };
  const other = { ...plain, heloName: 'ab', tls: { ...plain.tls, cipherList: 'c' } };
  expect(clientSessionKey(one)).not.toBe(clientSessionKey(other));
  const shifted = { ...plain, nexthop: 'example.com&mx.example.com', host: '192.0.2.1' };
  expect(clientSessionKey(shifted)).not.toBe(clientSessionKey(plain));
});
