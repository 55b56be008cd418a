/** Rows of the tables about levels and reference names, one test each: what the delivery record says. */
import { describe, expect, test } from 'vitest';
import {
  certificate,
  freshCertificate,
  hostCertificate,
  serverCertificate,
} from '../helpers/certificates.js';
import {
  ee,
  notOffered,
  notVerified,
  plain,
  skipped,
  type Tls,
  testRows,
  tlsa,
  unsignedMx,
  wrong,
} from '../helpers/client-rows.js';
import { CAfile, type DeliveryWorld, deliver, outcome } from '../helpers/delivery-world.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import type { MemoryZone } from '../helpers/memory-dns.js';

const lone = certificate('ecdsa');

describe('1. levels', () => {
  testRows([
    ['none: TLS never', { securityLevel: 'none' }, {}, 'sent 2.0.0 - tls=none Ok'],
    ['may: TLS if offered', { securityLevel: 'may' }, {}, 'sent 2.0.0 Untrusted tls=may Ok'],
    ['may: not offered', { securityLevel: 'may' }, plain, 'sent 2.0.0 - tls=may:none Ok'],
    [
      'encrypt: TLS, no authentication',
      { securityLevel: 'encrypt' },
      {},
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'encrypt: not offered',
      { securityLevel: 'encrypt' },
      plain,
      `deferred 4.7.4 - tls=!encrypt ${notOffered}`,
    ],
    [
      'fingerprint: the digest of the certificate matches',
      { securityLevel: 'fingerprint', fingerprintCertMatch: [certFingerprint(lone.certFile)] },
      { chain: lone },
      'sent 2.0.0 Verified tls=fingerprint Ok',
    ],
    [
      'fingerprint: the digest of its public key matches',
      { securityLevel: 'fingerprint', fingerprintCertMatch: [pkeyFingerprint(lone.certFile)] },
      { chain: lone },
      'sent 2.0.0 Verified tls=fingerprint Ok',
    ],
    [
      'dane: usable signed TLSA',
      { securityLevel: 'dane' },
      tlsa(ee),
      'sent 2.0.0 Verified tls=dane Ok',
    ],
    ['dane: no TLSA', { securityLevel: 'dane' }, {}, 'sent 2.0.0 Untrusted tls=may Ok'],
    [
      'dane: no TLSA, and TLS not offered',
      { securityLevel: 'dane' },
      plain,
      'sent 2.0.0 - tls=may:none Ok',
    ],
    [
      'halfdane: a match is required',
      { securityLevel: 'dane' },
      tlsa(wrong, unsignedMx),
      `deferred 4.7.5 Untrusted tls=!halfdane ${notVerified}`,
    ],
    [
      'halfdane: at most Trusted',
      { securityLevel: 'dane' },
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Trusted tls=halfdane Ok',
    ],
    [
      'dane-only: DANE',
      { securityLevel: 'dane-only' },
      tlsa(ee),
      'sent 2.0.0 Verified tls=dane-only Ok',
    ],
    [
      'dane-only: else the host is skipped',
      { securityLevel: 'dane-only' },
      {},
      skipped('no TLSA records found'),
    ],
    [
      'verify: CA chain and name, by default hostname',
      { securityLevel: 'verify', CAfile },
      { chain: serverCertificate('rows-host', ['mx.example.com']) },
      'sent 2.0.0 Verified tls=verify Ok',
    ],
    [
      'verify: the next hop is not asked for',
      { securityLevel: 'verify', CAfile },
      { chain: serverCertificate('rows-hop', ['example.com']) },
      `deferred 4.7.5 Trusted tls=!verify ${notVerified}`,
    ],
    [
      'secure: CA chain and name, by default nexthop',
      { securityLevel: 'secure', CAfile },
      { chain: serverCertificate('rows-hop', ['example.com']) },
      'sent 2.0.0 Verified tls=secure Ok',
    ],
    [
      'secure: by default dot-nexthop, too',
      { securityLevel: 'secure', CAfile },
      { chain: serverCertificate('rows-below', ['a.b.example.com']) },
      'sent 2.0.0 Verified tls=secure Ok',
    ],
    [
      'secure: another name',
      { securityLevel: 'secure', CAfile },
      { chain: serverCertificate('rows-other', ['mx.example.net']) },
      `deferred 4.7.5 Trusted tls=!secure ${notVerified}`,
    ],
  ]);

  test('fingerprint: no names, no dates, no CA', async () => {
    const past = { notBefore: new Date('2019-01-01'), notAfter: new Date('2020-01-01') };
    const chain = freshCertificate('somebody.else.example', past);
    const fingerprintCertMatch = [certFingerprint(chain.certFile)];
    const done = await deliver(
      { tls: { securityLevel: 'fingerprint', fingerprintCertMatch } },
      { chain },
    );
    expect(outcome(done)).toBe('sent 2.0.0 Verified tls=fingerprint Ok');
  });
});

describe('3. names', () => {
  const secure = (...secureCertMatch: readonly string[]): Tls => ({
    securityLevel: 'secure',
    CAfile,
    secureCertMatch,
  });
  const named = (...dns: readonly string[]): DeliveryWorld => ({
    chain: serverCertificate(`rows-${dns.join('-')}`, dns),
  });
  const good = 'sent 2.0.0 Verified tls=secure Ok';
  const bad = `deferred 4.7.5 Trusted tls=!secure ${notVerified}`;
  const alias: MemoryZone = {
    'mx.example.com A': undefined,
    'mx.example.com CNAME': ['real.example.net'],
    'real.example.net A': ['127.0.0.1'],
  };

  testRows([
    ['hostname: the server', secure('hostname'), named('mx.example.com'), good],
    [
      'hostname: before CNAME expansion',
      secure('hostname'),
      { ...named('mx.example.com'), zone: alias },
      good,
    ],
    [
      'hostname: not after it',
      secure('hostname'),
      { ...named('real.example.net'), zone: alias },
      bad,
    ],
    ['nexthop: the next-hop domain', secure('nexthop'), named('example.com'), good],
    ['nexthop: nothing below it', secure('nexthop'), named('mx.example.com'), bad],
    [
      'nexthop: without [ ] and port',
      secure('nexthop'),
      { ...named('mx.example.com'), request: { nexthop: '[mx.example.com]' } },
      good,
    ],
    ['dot-nexthop: any sub-domain of it', secure('dot-nexthop'), named('a.b.example.com'), good],
    ['dot-nexthop: not the domain itself', secure('dot-nexthop'), named('example.com'), bad],
    ['name: literally', secure('mail.example.org'), named('mail.example.org'), good],
    ['name: nothing below it', secure('example.org'), named('mail.example.org'), bad],
    ['.name: any sub-domain of it', secure('.example.org'), named('a.b.example.org'), good],
    ['.name: not the name itself', secure('.example.org'), named('example.org'), bad],
    [
      'a wildcard: one whole left-most label',
      secure('mail.example.org'),
      named('*.example.org'),
      good,
    ],
    ['a wildcard: not two labels', secure('a.b.example.org'), named('*.example.org'), bad],
    ['a wildcard: not a part of a label', secure('mail.example.org'), named('m*.example.org'), bad],
    [
      'a common name, where there is no other',
      secure('cn.example.org'),
      { chain: hostCertificate('cn.example.org', null) },
      good,
    ],
    [
      'a common name beside others does not count',
      secure('cn-beside.example.org'),
      { chain: hostCertificate('cn-beside.example.org', 'DNS:other.example.org') },
      bad,
    ],
    [
      'a name beyond ASCII: by its A-label',
      secure('bücher.example'),
      named('xn--bcher-kva.example'),
      good,
    ],
  ]);
});
