/**
 * The tables about Postfix's smtp(8) that end in what becomes of a message: levels, reference names, DANE destinations,
 * status words, delivery errors. One test for each row, named after it; `outcome` has what the delivery record says.
 */
import { describe, expect, test } from 'vitest';
import type { SmtpOptions } from '../../lib/client.js';
import {
  certificate,
  freshCertificate,
  hostCertificate,
  serverCertificate,
} from '../helpers/certificates.js';
import { CAfile, type DeliveryWorld, deliver, issued, outcome } from '../helpers/delivery-world.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import { type MemoryZone, tlsaOf } from '../helpers/memory-dns.js';
import { hello, scriptedServer, type ScriptedPeer } from '../helpers/scripted-server.js';

type Tls = NonNullable<SmtpOptions['tls']>;
/** What becomes of it, in the words of {@link outcome}. */
type Row = readonly [name: string, tls: Tls, world: DeliveryWorld, expected: string];

const notVerified = 'Server certificate not verified';
const notOffered = 'TLS is required, but was not offered by host mx.example.com[127.0.0.1]';
const skipped = (text: string): string => `deferred 4.7.5 - tls=unknown? ${text}`;
const plain: DeliveryWorld = { smtpd: { tls: { securityLevel: 'none' } } };
const anonymous: DeliveryWorld = { smtpd: { tls: { securityLevel: 'may', certFile: 'none' } } };
const lone = certificate('ecdsa');

const unsignedMx: MemoryZone = {
  'example.com MX': undefined,
  'example.com (MX)': ['10 mx.example.com'],
};

/** The host's TLSA records, beside other data. */
function tlsa(records: readonly string[] | 'failure', others: MemoryZone = {}): DeliveryWorld {
  return { zone: (port) => ({ ...others, [`_${port}._tcp.mx.example.com TLSA`]: records }) };
}

const ee = [tlsaOf(issued.certFile, 3, 1, 1)];
const wrong = [`3 1 1 ${'ab'.repeat(32)}`];
const rejected = [tlsaOf(issued.certFile, 1, 1, 1)];
const unloadable = ['3 5 9 00112233'];

function rows(table: readonly Row[]): void {
  test.each(table)('%s', async (_, tls, world, expected) => {
    const done = await deliver({ tls }, world);
    expect(outcome(done)).toBe(expected);
    expect(done.server.received).toHaveLength(expected.startsWith('sent') ? 1 : 0);
  });
}

describe('1. levels', () => {
  rows([
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

  rows([
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

describe('4. DANE: the destination', () => {
  const dane = (insecure?: 'may' | 'encrypt' | 'dane'): Tls => ({
    securityLevel: 'dane',
    ...(insecure === undefined ? {} : { daneInsecureMxPolicy: insecure }),
  });
  const only: Tls = { securityLevel: 'dane-only' };
  const lookupError = 'TLSA lookup error for mx.example.com:PORT';

  rows([
    [
      'dane: unsigned MX, insecure_mx_policy = may',
      dane('may'),
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Untrusted tls=may Ok',
    ],
    ['dane-only: unsigned MX', only, tlsa(ee, unsignedMx), skipped('non DNSSEC destination')],
    ['dane: TLSA lookup failed', dane(), tlsa('failure'), skipped(lookupError)],
    ['dane-only: TLSA lookup failed', only, tlsa('failure'), skipped(lookupError)],
    ['dane: no signed TLSA', dane(), {}, 'sent 2.0.0 Untrusted tls=may Ok'],
    ['dane-only: no signed TLSA', only, {}, skipped('no TLSA records found')],
    [
      'dane: signed RRset, all records rejected',
      dane(),
      tlsa(rejected),
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'dane-only: signed RRset, all records rejected',
      only,
      tlsa(rejected),
      skipped('TLSA records unusable'),
    ],
    [
      'dane: usable, MX unsigned, insecure_mx_policy = encrypt',
      dane('encrypt'),
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'dane: usable, MX unsigned, insecure_mx_policy = dane',
      dane('dane'),
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Trusted tls=halfdane Ok',
    ],
    ['dane: usable, MX signed', dane(), tlsa(ee), 'sent 2.0.0 Verified tls=dane Ok'],
    ['dane-only: usable, MX signed', only, tlsa(ee), 'sent 2.0.0 Verified tls=dane-only Ok'],
    [
      'dane: usable, no MX look-up',
      dane(),
      { ...tlsa(ee), request: { nexthop: '[mx.example.com]' } },
      'sent 2.0.0 Verified tls=dane Ok',
    ],
    [
      'dane-only: usable, no MX look-up',
      only,
      { ...tlsa(ee), request: { nexthop: '[mx.example.com]' } },
      'sent 2.0.0 Verified tls=dane-only Ok',
    ],
    [
      'dane: all of them unusable when loaded',
      dane(),
      tlsa(unloadable),
      'sent 2.0.0 Untrusted tls=dane:encrypt Ok',
    ],
    [
      'dane-only: all of them unusable when loaded',
      only,
      tlsa(unloadable),
      `deferred 4.7.5 Untrusted tls=!dane-only ${notVerified}`,
    ],
    [
      'halfdane: all of them unusable when loaded',
      dane(),
      tlsa(unloadable, unsignedMx),
      'sent 2.0.0 Untrusted tls=halfdane:encrypt Ok',
    ],
    [
      'dane: encrypt after unusable records is no may',
      dane(),
      { ...tlsa(unloadable), ...plain },
      `deferred 4.7.4 - tls=!dane ${notOffered}`,
    ],
  ]);
});

describe('9. status', () => {
  rows([
    [
      'no certificate, no raw public key: Anonymous',
      { securityLevel: 'may' },
      anonymous,
      'sent 2.0.0 Anonymous tls=may Ok',
    ],
    [
      'OK, the level must match: Verified',
      { securityLevel: 'verify', CAfile },
      {},
      'sent 2.0.0 Verified tls=verify Ok',
    ],
    [
      'OK, halfdane: Trusted',
      { securityLevel: 'dane' },
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Trusted tls=halfdane Ok',
    ],
    ['OK, may: Trusted', { securityLevel: 'may', CAfile }, {}, 'sent 2.0.0 Trusted tls=may Ok'],
    [
      'OK, encrypt: Trusted',
      { securityLevel: 'encrypt', CAfile },
      {},
      'sent 2.0.0 Trusted tls=encrypt Ok',
    ],
    [
      'hostname mismatch, the level must match: Trusted',
      { securityLevel: 'verify', CAfile, verifyCertMatch: ['other.example'] },
      {},
      `deferred 4.7.5 Trusted tls=!verify ${notVerified}`,
    ],
    [
      'hostname mismatch at may: names are not checked',
      { securityLevel: 'may', CAfile },
      { chain: serverCertificate('rows-other', ['mx.example.net']) },
      'sent 2.0.0 Trusted tls=may Ok',
    ],
    ['other: Untrusted', { securityLevel: 'may' }, {}, 'sent 2.0.0 Untrusted tls=may Ok'],
    [
      'a raw public key at may: Untrusted',
      { securityLevel: 'may', CAfile, enableRpk: true },
      {},
      'sent 2.0.0 Untrusted tls=may Ok',
    ],
  ]);
});

describe('11. delivery errors', () => {
  rows([
    [
      '4.7.4 TLS is required, but was not offered',
      { securityLevel: 'encrypt' },
      plain,
      `deferred 4.7.4 - tls=!encrypt ${notOffered}`,
    ],
    [
      '4.7.5 Cannot start TLS: handshake failure',
      { securityLevel: 'encrypt', mandatoryProtocols: '>=TLSv1.3' },
      {
        smtpd: {
          tls: { securityLevel: 'may', chainFiles: [issued.chainFile], protocols: '<=TLSv1.2' },
        },
      },
      'deferred 4.7.5 - tls=encrypt? Cannot start TLS: handshake failure',
    ],
    [
      '4.7.5 Cannot start TLS, at may on the first attempt',
      { securityLevel: 'may', protocols: '>=TLSv1.3' },
      {
        smtpd: {
          tls: { securityLevel: 'may', chainFiles: [issued.chainFile], protocols: '<=TLSv1.2' },
        },
      },
      'deferred 4.7.5 - tls=may? Cannot start TLS: handshake failure',
    ],
    [
      '4.7.5 Server certificate not verified',
      { securityLevel: 'verify' },
      {},
      `deferred 4.7.5 Untrusted tls=!verify ${notVerified}`,
    ],
    [
      '4.7.5 TLS is required, but our TLS engine is unavailable',
      { securityLevel: 'encrypt', chainFiles: ['/nonexistent/client.pem'] },
      {},
      'deferred 4.7.5 - tls=!encrypt TLS is required, but our TLS engine is unavailable',
    ],
    [
      'TLS is optional, and our TLS engine is unavailable',
      { securityLevel: 'may', chainFiles: ['/nonexistent/client.pem'] },
      {},
      'sent 2.0.0 - tls=may:none Ok',
    ],
    [
      '4.7.5 client TLS configuration problem',
      { securityLevel: 'secure', trustAnchorFile: ['/nonexistent/anchors.pem'] },
      {},
      skipped('client TLS configuration problem'),
    ],
    [
      '4.7.5 TLSA lookup error',
      { securityLevel: 'dane' },
      tlsa('failure'),
      skipped('TLSA lookup error for mx.example.com:PORT'),
    ],
    [
      '4.7.5 non DNSSEC destination',
      { securityLevel: 'dane-only' },
      { zone: unsignedMx },
      skipped('non DNSSEC destination'),
    ],
    [
      '4.7.5 no TLSA records found',
      { securityLevel: 'dane-only' },
      {},
      skipped('no TLSA records found'),
    ],
    [
      '4.7.5 TLSA records unusable',
      { securityLevel: 'dane-only' },
      tlsa(rejected),
      skipped('TLSA records unusable'),
    ],
  ]);

  type Script = (peer: ScriptedPeer) => Promise<void>;
  const starttls = async (peer: ScriptedPeer, reply: string): Promise<void> => {
    await hello(peer, 'STARTTLS');
    await peer.answer(reply);
  };

  test.each<[string, Script, string]>([
    [
      'the server’s code: refused to start TLS, for now',
      async (peer) => {
        await starttls(peer, '454 4.7.1 not today\r\n');
        await peer.answer('221 2.0.0 Bye\r\n');
      },
      'deferred 4.7.1 - tls=!encrypt TLS is required, but host mx.example.com[127.0.0.1] refused to start TLS: 454 4.7.1 not today',
    ],
    [
      'the server’s code: refused to start TLS, for good',
      async (peer) => {
        await starttls(peer, '554 5.7.3 never\r\n');
        await peer.answer('221 2.0.0 Bye\r\n');
      },
      'bounced 5.7.3 - tls=!encrypt TLS is required, but host mx.example.com[127.0.0.1] refused to start TLS: 554 5.7.3 never',
    ],
    [
      '4.4.2 lost connection',
      async (peer) => {
        peer.say('220 peer.example ESMTP\r\n');
        await peer.hear();
        peer.end();
      },
      'deferred 4.4.2 - tls=encrypt? lost connection with mx.example.com[127.0.0.1] while performing the EHLO handshake',
    ],
    [
      '4.4.2 conversation timed out',
      async (peer) => {
        await hello(peer, 'STARTTLS');
        await peer.gone();
      },
      'deferred 4.4.2 - tls=encrypt? conversation with mx.example.com[127.0.0.1] timed out while receiving the STARTTLS response',
    ],
  ])('%s', async (_, script, expected) => {
    const server = await scriptedServer(script);
    const done = await deliver({
      tcpPort: String(server.port),
      starttlsTimeout: 1000,
      tls: { securityLevel: 'encrypt' },
    });
    expect(outcome(done)).toBe(expected);
  });

  test('TLS errors are per site: the other MX hosts are tried first', async () => {
    const first = serverCertificate('rows-other', ['mx.example.net']);
    const other: MemoryZone = {
      'example.com MX': ['10 bad.example.com', '20 mx.example.com'],
      'bad.example.com A': ['127.0.0.1'],
    };
    const world: DeliveryWorld = {
      chain: first,
      zone: (port) => ({
        ...other,
        [`_${port}._tcp.bad.example.com TLSA`]: wrong,
        [`_${port}._tcp.mx.example.com TLSA`]: [tlsaOf(first.certFile, 3, 1, 1)],
      }),
    };
    const done = await deliver({ tls: { securityLevel: 'dane' } }, world);
    expect(outcome(done)).toBe('sent 2.0.0 Verified tls=dane Ok');
    expect(done.report.recipients[0]?.relay).toMatch(/^mx\.example\.com\[/);
  });
});
