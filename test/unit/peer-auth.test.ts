/** From a level and what to match to what native code takes. */
import { describe, expect, test } from 'vitest';
import { fingerprints, peerAuth, type TlsaData } from '../../lib/tls/peer-auth.js';

const data = new Uint8Array(32);

function record(usage: number, selector: number, matchingType = 1): TlsaData {
  return { usage, selector, matchingType, data };
}

const ee = record(3, 1);
const all = {
  names: ['mx.example.com'],
  fingerprints: ['AB:CD', 'ef01'],
  tlsa: [ee],
  trustAnchorFiles: ['/ta.pem'],
  enableRpk: true,
};

describe('each level takes what it uses', () => {
  test.each(['none', 'may', 'encrypt'] as const)('%s matches nothing', (level) => {
    expect(peerAuth(level, all)).toEqual({
      names: [],
      tlsa: [],
      anchorFiles: [],
      forcedFailure: false,
      mustMatch: false,
      halfDane: false,
      encryptIfUnusable: false,
      requestRpk: true,
    });
  });

  test('fingerprint: each digest stands for a certificate and for a key', () => {
    const auth = peerAuth('fingerprint', all);
    const first = Buffer.from('abcd', 'hex');
    const second = Buffer.from('ef01', 'hex');
    expect(auth.tlsa).toEqual([
      [3, 0, 255, first],
      [3, 1, 255, first],
      [3, 0, 255, second],
      [3, 1, 255, second],
    ]);
    expect(auth).toMatchObject({ names: [], anchorFiles: [], mustMatch: true, requestRpk: true });
  });

  test.each([
    ['halfdane', true, true],
    ['dane', false, true],
    ['dane-only', false, false],
  ] as const)('%s', (level, halfDane, encryptIfUnusable) => {
    expect(peerAuth(level, all)).toEqual({
      names: ['mx.example.com'],
      tlsa: [[3, 1, 1, data]],
      anchorFiles: [],
      forcedFailure: false,
      mustMatch: true,
      halfDane,
      encryptIfUnusable,
      requestRpk: true,
    });
  });

  test.each(['verify', 'secure'] as const)('%s', (level) => {
    expect(peerAuth(level, all)).toEqual({
      names: ['mx.example.com'],
      tlsa: [[3, 1, 1, data]],
      anchorFiles: ['/ta.pem'],
      forcedFailure: false,
      mustMatch: true,
      halfDane: false,
      encryptIfUnusable: false,
      requestRpk: false,
    });
  });

  test('a failure is forced at any of them', () => {
    expect(peerAuth('secure', { ...all, forcedFailure: true }).forcedFailure).toBe(true);
  });
});

describe('a raw public key is asked for', () => {
  test.each([
    [[ee], true],
    [[ee, record(3, 1, 2)], true],
    [[ee, record(3, 0)], false],
    [[ee, record(2, 1)], false],
  ])('with DANE only if every record is 3 1 x', (tlsa, requestRpk) => {
    expect(peerAuth('dane', { tlsa }).requestRpk).toBe(requestRpk);
  });

  test('elsewhere only where that is enabled', () => {
    expect(peerAuth('encrypt', {}).requestRpk).toBe(false);
    expect(peerAuth('fingerprint', { fingerprints: ['AB'] }).requestRpk).toBe(false);
  });
});

describe('what could never match is refused', () => {
  test.each([
    ['fingerprint', {}, /fingerprint needs at least one valid digest/],
    ['fingerprint', { fingerprints: ['xyz'] }, /fingerprint needs at least one valid digest/],
    ['dane', { names: ['a'] }, /dane needs TLSA records/],
    ['secure', { trustAnchorFiles: ['/a'] }, /secure needs a name/],
    ['dane', { tlsa: [record(3, 1, 255)] }, /255 is reserved/],
  ] as const)('%s with %o', (level, match, message) => {
    expect(() => peerAuth(level, match)).toThrow(
      expect.objectContaining({
        class: 'usage',
        code: 'INVALID_PARAMETER',
        message: expect.stringMatching(message),
      }),
    );
  });
});

test.each(['', 'A', 'A:B', 'AB:', ':AB', 'AB::CD', 'GH', 'ABC', 'AB CD', 'AB'.repeat(97)])(
  'the fingerprint "%s" is left out with a warning',
  (text) => {
    const warnings: string[] = [];
    expect(fingerprints([text, 'ab:CD'], (warning) => warnings.push(warning))).toEqual([
      Buffer.from('abcd', 'hex'),
    ]);
    expect(warnings).toEqual([`malformed fingerprint digest "${text}" is ignored`]);
  },
);
