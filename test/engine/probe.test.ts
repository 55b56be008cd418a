/** Probes of our own smtpd: each level, DANE, the hosts of a destination; DNS is a table. */
import { describe, expect, test } from 'vitest';
import type { ProbeOptions } from '../../lib/probe/options.js';
import { isSatisfied, type ProbeResult } from '../../lib/probe/result.js';
import { serverIssuer } from '../helpers/certificates.js';
import type { ProbeZone } from '../helpers/probe-dns.js';
import { probeLevels } from '../helpers/probe-levels.js';
import {
  digest,
  digests,
  probeAll,
  probeOne,
  serverOf,
  trusting,
  unrelated,
} from '../helpers/probe-server.js';

describe('each level of the recordings', () => {
  /** What is expected of a host under a CA, without TLSA records. */
  const expected: Readonly<Record<string, readonly [Partial<ProbeResult>, satisfied: boolean]>> = {
    may: [{ status: 'Trusted', effectiveLevel: 'may', outcome: 'ok' }, true],
    'may+rpk': [{ status: 'Untrusted', effectiveLevel: 'may', outcome: 'ok' }, true],
    encrypt: [{ status: 'Trusted', effectiveLevel: 'encrypt', outcome: 'ok' }, true],
    'fingerprint-cert': [{ status: 'Verified', outcome: 'ok' }, true],
    'fingerprint-key': [{ status: 'Verified', outcome: 'ok' }, true],
    'fingerprint-key+rpk': [{ status: 'Verified', outcome: 'ok' }, true],
    'fingerprint-bad': [{ status: 'Untrusted', outcome: 'defer', dsn: '4.7.5' }, false],
    dane: [{ requestedLevel: 'dane', effectiveLevel: 'may', outcome: 'ok' }, false],
    'dane+rpk': [{ effectiveLevel: 'may', status: 'Untrusted', outcome: 'ok' }, false],
    'dane-only': [{ tls: null, outcome: 'skip', reason: 'no TLSA records found' }, false],
    'dane-insecure-mx-may': [{ effectiveLevel: 'may', outcome: 'ok' }, false],
    'dane-force-tlsa': [{ effectiveLevel: 'may', outcome: 'ok' }, false],
    verify: [{ status: 'Verified', effectiveLevel: 'verify', outcome: 'ok' }, true],
    secure: [{ status: 'Verified', effectiveLevel: 'secure', outcome: 'ok' }, true],
  };

  test('all are known', () => {
    expect(Object.keys(expected)).toEqual(Object.keys(probeLevels));
  });

  test.each(Object.keys(probeLevels))('%s', async (name) => {
    const port = await serverOf();
    const { smtp = {}, ...options } = probeLevels[name]?.(digests) ?? {};
    const tls = { ...trusting.tls, ...smtp.tls };
    const result = await probeOne({ port }, { ...options, smtp: { tls } });
    const [want, satisfied] = expected[name] ?? [{}, true];
    expect(result).toMatchObject(want);
    expect(isSatisfied(result)).toBe(satisfied);
    expect(result.tls?.certificateType ?? null).toBe(
      name === 'dane-only' ? null : name.endsWith('+rpk') ? 'rpk' : 'x509',
    );
  });
});

describe('DANE', () => {
  test('a record of the key matches a raw public key, and nothing else is sent', async () => {
    const result = await probeOne({ port: await serverOf(), tlsa: [`3 1 1 ${digests.key}`] });
    expect(result).toMatchObject({
      ...{ requestedLevel: 'dane', effectiveLevel: 'dane', policyLevel: 'dane', source: 'global' },
      ...{ status: 'Verified', outcome: 'ok', dsn: '2.0.0', reason: null },
      ...{ mxSecurity: 'secure', addressSecurity: 'secure', tlsaBase: 'mx.example.com' },
      matched: { kind: 'tlsa', value: `3 1 1 ${digests.key.toUpperCase()}`, rawPublicKey: true },
      ...{ chain: [], sni: 'mx.example.com' },
    });
    expect(isSatisfied(result)).toBe(true);
  });

  test('a record of an issuer matches under the names, and tells the chain', async () => {
    const tlsa = [`2 0 1 ${digest(serverIssuer(), 0)}`, `3 1 1 ${unrelated}`, `0 0 1 ${unrelated}`];
    const result = await probeOne({ port: await serverOf(), tlsa });
    expect(result).toMatchObject({
      status: 'Verified',
      matched: { kind: 'tlsa', depth: 1, peername: 'mx.example.com' },
      match: ['mx.example.com', 'example.com'],
      chain: [
        { subject: '/CN=mail.example.com', names: ['mx.example.com'], keyType: 'EC' },
        { subject: '/CN=Intermediate 1', issuer: '/O=mxtls test/CN=Test Authority' },
      ],
    });
    expect(result.tlsa.map(({ usage, usable }) => [usage, usable])).toEqual([
      [0, false],
      [2, true],
      [3, true],
    ]);
    expect(result.notes).toEqual([
      expect.stringMatching(/unsupported TLSA certificate usage: 0 0 1 AB/),
    ]);
  });

  test('a record that does not match defers', async () => {
    const result = await probeOne({ port: await serverOf(), tlsa: [`3 1 1 ${unrelated}`] });
    expect(result).toMatchObject({
      ...{ status: 'Untrusted', matched: null, outcome: 'defer', dsn: '4.7.5' },
      ...{ effectiveLevel: 'dane', reason: 'Server certificate not verified' },
      tls: { verifyError: { code: 65 } },
    });
  });

  test('records that cannot be used leave encryption', async () => {
    const result = await probeOne({ port: await serverOf(), tlsa: ['3 5 9 00112233'] });
    expect(result).toMatchObject({
      ...{ effectiveLevel: 'encrypt', outcome: 'ok', reason: 'no TLSA record is usable' },
      tlsa: [{ usage: 3, selector: 5, matchingType: 9, data: '00112233', usable: false }],
    });
    expect(isSatisfied(result)).toBe(false);
  });

  test('MX records that are not secure make halfdane of it', async () => {
    const tlsa = [`3 1 1 ${digests.key}`];
    const insecure = { insecure: ['mx example.com'] };
    const port = await serverOf();
    const result = await probeOne({ port, tlsa, zone: insecure });
    expect(result).toMatchObject({
      ...{ mxSecurity: 'insecure', effectiveLevel: 'halfdane', status: 'Trusted', outcome: 'ok' },
      ...{ reason: 'the MX records are not secure', matched: { kind: 'tlsa' } },
    });
    expect(isSatisfied(result)).toBe(false);
    const may = probeLevels['dane-insecure-mx-may']?.(digests);
    expect(await probeOne({ port, tlsa, zone: insecure }, may)).toMatchObject({
      ...{
        effectiveLevel: 'may',
        reason: 'the MX records are not secure',
        tlsa: [],
        matched: null,
      },
    });
    const only = await probeOne({ port, tlsa, zone: insecure }, { level: 'dane-only' });
    expect(only).toMatchObject({ outcome: 'skip', reason: 'non DNSSEC destination', dsn: '4.7.5' });
  });

  test('addresses that are not secure have no TLSA records, unless that is forced', async () => {
    const tlsa = [`3 1 1 ${digests.key}`];
    const insecure = { insecure: ['a mx.example.com'] };
    const port = await serverOf();
    const result = await probeOne({ port, tlsa, zone: insecure });
    expect(result).toMatchObject({
      ...{ addressSecurity: 'insecure', effectiveLevel: 'may', lookups: [] },
      reason: 'the addresses are not secure, hence no TLSA record can be',
    });
    const force = probeLevels['dane-force-tlsa']?.(digests);
    expect(await probeOne({ port, tlsa, zone: insecure }, force)).toMatchObject({
      ...{ effectiveLevel: 'dane', status: 'Verified' },
    });
  });

  test('TLSA records that are bogus skip the host', async () => {
    const port = await serverOf();
    const name = `_${port}._tcp.mx.example.com`;
    const result = await probeOne({ port, zone: { bogus: [name] } });
    expect(result).toMatchObject({
      ...{ outcome: 'skip', dsn: '4.7.5', reason: `TLSA lookup error for mx.example.com:${port}` },
      ...{ tls: null, effectiveLevel: null },
      lookups: [{ name, type: 'TLSA', kind: 'bogus', secure: false }],
    });
  });

  test('an alias is looked up by both names', async () => {
    const port = await serverOf();
    const names = { 'mx.example.com': 'host.example.net' };
    const result = await probeOne({
      port,
      tlsa: [`3 1 1 ${digests.key}`],
      zone: { cname: names, a: { 'host.example.net': ['127.0.0.1'] } },
    });
    expect(result).toMatchObject({
      ...{ alias: 'host.example.net', tlsaBase: 'mx.example.com', status: 'Verified' },
      lookups: [
        { name: `_${port}._tcp.host.example.net`, kind: 'none' },
        { name: `_${port}._tcp.mx.example.com`, kind: 'found', secure: true },
      ],
    });
  });
});

describe('hosts', () => {
  test('the first that answers ends it, all are probed on request, in the order of preference', async () => {
    const port = await serverOf();
    const many: ProbeZone = {
      mx: {
        'example.com': [
          '30 c.example.com',
          '10 b.example.com',
          '10 a.example.com',
          '20 x.example.com',
        ],
      },
      a: {
        'a.example.com': ['127.9.9.9'],
        'b.example.com': ['127.0.0.1'],
        'c.example.com': ['127.0.0.1'],
      },
      bogus: ['x.example.com'],
    };
    const first = await probeAll({ port, zone: many }, { level: 'may' });
    expect(first).toMatchObject([
      {
        mx: 'a.example.com',
        outcome: 'defer',
        dsn: '4.4.1',
        tls: null,
        namaddr: expect.any(String),
      },
      { mx: 'b.example.com', outcome: 'ok' },
    ]);
    const all = await probeAll({ port, zone: many }, { level: 'may', allMx: true });
    expect(all.map(({ mx, outcome, addressSecurity }) => [mx, outcome, addressSecurity])).toEqual([
      ['a.example.com', 'defer', 'secure'],
      ['b.example.com', 'ok', 'secure'],
      ['x.example.com', 'defer', 'bogus'],
      ['c.example.com', 'ok', 'secure'],
    ]);
  });

  test('smtp_cname_overrides_servername: an alias counts by what it is an alias of', async () => {
    const zone: ProbeZone = {
      cname: { 'mx.example.com': 'host.example.net' },
      a: { 'host.example.net': ['127.0.0.1'] },
    };
    const names = async (smtp: NonNullable<ProbeOptions['smtp']>): Promise<readonly unknown[]> => {
      const { mx, namaddr } = await probeOne({ port, zone }, { level: 'may', smtp });
      return [mx, namaddr?.startsWith(`${mx}[`)];
    };
    const port = await serverOf();
    expect(await names({})).toEqual(['mx.example.com', true]);
    expect(await names({ cnameOverridesServername: true })).toEqual(['host.example.net', true]);
  });

  test('smtp_address_preference: that family first, and IPv4 where none is preferred', async () => {
    const port = await serverOf();
    const zone: ProbeZone = {
      a: { 'mx.example.com': ['127.0.0.1'] },
      aaaa: { 'mx.example.com': ['::1'] },
    };
    const addresses = async (preference: 'any' | 'ipv4' | 'ipv6'): Promise<readonly unknown[]> => {
      const smtp = { addressPreference: preference };
      const results = await probeAll({ port, zone }, { level: 'may', allMx: true, smtp });
      return results.map(({ address }) => address);
    };
    expect(await addresses('any')).toEqual(['127.0.0.1', '::1']);
    expect(await addresses('ipv4')).toEqual(['127.0.0.1', '::1']);
    expect(await addresses('ipv6')).toEqual(['::1', '127.0.0.1']);
  });

  test.each<[string, ProbeZone, Partial<ProbeResult>]>([
    [
      'a domain that does not take mail',
      { mx: { 'example.com': ['0 '] } },
      { mx: null, mxSecurity: 'secure', outcome: 'skip', dsn: '5.1.0', address: null },
    ],
    [
      'MX records that are bogus',
      { bogus: ['mx example.com'] },
      { mx: null, mxSecurity: 'bogus', outcome: 'defer', dsn: '4.4.3', requestedLevel: 'dane' },
    ],
    [
      'a host that does not exist',
      { mx: { 'example.com': ['1 gone.example.com'] } },
      { mx: 'gone.example.com', outcome: 'skip', dsn: '5.4.4', addressSecurity: null },
    ],
    [
      'a domain that does not exist',
      { mx: {} },
      { mx: 'example.com', mxSecurity: 'secure', outcome: 'skip', dsn: '5.4.4' },
    ],
  ])('%s', async (_, more, want) => {
    const result = await probeOne({ port: 25, zone: more });
    expect(result).toMatchObject({ ...want, status: null, tls: null, effectiveLevel: null });
    expect(isSatisfied(result)).toBe(false);
  });

  test('without MX records the domain itself is the host', async () => {
    const port = await serverOf();
    const zoneOf = { mx: {}, a: { 'example.com': ['127.0.0.1'] } };
    expect(await probeOne({ port, zone: zoneOf }, { level: 'may' })).toMatchObject({
      ...{ mx: 'example.com', mxSecurity: 'secure', preference: null, outcome: 'ok' },
    });
  });

  test('brackets and addresses have no MX look-up', async () => {
    const port = await serverOf();
    for (const [destination, mx, addressSecurity] of [
      ['[mx.example.com]', 'mx.example.com', 'secure'],
      [`[mx.example.com]:${port}`, 'mx.example.com', 'secure'],
      ['[127.0.0.1]', '127.0.0.1', null],
    ] as const) {
      expect(await probeOne({ port }, { destination, level: 'may' })).toMatchObject({
        ...{ destination, mx, mxSecurity: null, addressSecurity, outcome: 'ok' },
      });
    }
  });

  test('connecting elsewhere changes nothing else', async () => {
    const port = await serverOf();
    const result = await probeOne(
      {
        port: 25,
        tlsa: [`3 1 1 ${digests.key}`],
        zone: { a: { 'mx.example.com': ['192.0.2.1'] } },
      },
      { connect: { address: '127.0.0.1', port } },
    );
    expect(result).toMatchObject({
      ...{ status: 'Verified', address: '127.0.0.1', tlsaBase: 'mx.example.com', port: 25 },
      namaddr: `mx.example.com[127.0.0.1]:${port}`,
    });
  });
});
