/** Levels and policies of the smtp engine end to end: DNS by hand, our server with certificates of a test CA. */
import { describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryReport, DeliveryRequest } from '../../lib/delivery/report.js';
import { authority, certificate, serverCertificate } from '../helpers/certificates.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import { Lines } from '../helpers/lines.js';
import { MemoryDns, type MemoryZone, tlsaOf } from '../helpers/memory-dns.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

const issued = serverCertificate('policy', ['mx.example.com', 'example.net']);
const lone = certificate('ecdsa');
const CAfile = authority().certFile;

const mail = { sender: 'a@example.org', message: 'Subject: x\n\nhello\n' };

interface Outcome {
  readonly report: DeliveryReport;
  readonly server: TestServer;
  readonly lines: Lines;
}

type ZoneOf = (port: number) => MemoryZone;

/** To example.com, whose only host mx.example.com is our server. */
async function deliver(
  options: SmtpOptions = {},
  more: MemoryZone | ZoneOf = {},
  { chain = issued, request = {} as Partial<DeliveryRequest>, server: tls = {} as object } = {},
): Promise<Outcome> {
  const server = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [chain.chainFile], ...tls },
  });
  const lines = new Lines();
  const zone = {
    'example.com MX': ['10 mx.example.com'],
    'mx.example.com A': ['127.0.0.1'],
    ...(typeof more === 'function' ? more(server.port) : more),
  };
  const smtp = new Smtp({
    myhostname: 'client.example',
    logger: lines,
    tcpPort: String(server.port),
    dnsSupportLevel: 'dnssec',
    resolver: new MemoryDns(zone),
    ...options,
  });
  const report = await smtp.deliver({ ...mail, recipients: ['b@example.com'], ...request });
  return { report, server, lines };
}

const at = (port: number): string => `_${port}._tcp.mx.example.com TLSA`;

function result({ report }: Outcome): string {
  return report.recipients
    .map(({ status, dsn, tlsFeature, tls, reply }) => {
      const said = status === 'sent' ? 'Ok' : reply;
      return `${status} ${dsn} ${tls?.status ?? '-'} tls=${tlsFeature} ${said}`;
    })
    .join('\n')
    .replaceAll(/:\d+$/g, ':PORT');
}

describe('levels', () => {
  const unsignedMx = { 'example.com MX': undefined, 'example.com (MX)': ['10 mx.example.com'] };
  const wrong = '3 1 1 '.padEnd(70, 'ab');
  const notVerified = 'Server certificate not verified';

  test.each<[string, SmtpOptions['tls'], string]>([
    ['none', {}, 'sent 2.0.0 - tls=none Ok'],
    ['may', { CAfile }, 'sent 2.0.0 Trusted tls=may Ok'],
    ['encrypt', {}, 'sent 2.0.0 Untrusted tls=encrypt Ok'],
    ['verify', { CAfile }, 'sent 2.0.0 Verified tls=verify Ok'],
    ['verify', {}, `deferred 4.7.5 Untrusted tls=!verify ${notVerified}`],
    [
      'verify',
      { CAfile, verifyCertMatch: ['nexthop'] },
      `deferred 4.7.5 Trusted tls=!verify ${notVerified}`,
    ],
    ['secure', { CAfile }, 'sent 2.0.0 Verified tls=secure Ok'],
    [
      'secure',
      { CAfile, secureCertMatch: ['other.example'] },
      `deferred 4.7.5 Trusted tls=!secure ${notVerified}`,
    ],
    [
      'secure',
      { trustAnchorFile: [CAfile], secureCertMatch: ['hostname'] },
      'sent 2.0.0 Verified tls=secure Ok',
    ],
    [
      'fingerprint',
      { fingerprintCertMatch: [certFingerprint(issued.certFile)] },
      'sent 2.0.0 Verified tls=fingerprint Ok',
    ],
    [
      'fingerprint',
      { fingerprintCertMatch: [pkeyFingerprint(issued.certFile)] },
      'sent 2.0.0 Verified tls=fingerprint Ok',
    ],
    [
      'fingerprint',
      { fingerprintCertMatch: [certFingerprint(lone.certFile)] },
      `deferred 4.7.5 Untrusted tls=!fingerprint ${notVerified}`,
    ],
    ['fingerprint', {}, 'deferred 4.7.5 - tls=unknown? client TLS configuration problem'],
  ])('%s %j', async (securityLevel, tls, expected) => {
    const outcome = await deliver({
      tls: { securityLevel: securityLevel as 'may', ...tls },
    });
    expect(result(outcome)).toBe(expected);
    const authenticated = !expected.startsWith('deferred');
    expect(outcome.server.received).toHaveLength(authenticated ? 1 : 0);
  });

  test.each<[string, string, ZoneOf, SmtpOptions['tls'], string]>([
    [
      'records that match',
      'dane',
      (port) => ({ [at(port)]: [tlsaOf(issued.certFile, 3, 1, 1)] }),
      {},
      'sent 2.0.0 Verified tls=dane Ok',
    ],
    [
      'records that match',
      'dane-only',
      (port) => ({ [at(port)]: [tlsaOf(issued.certFile, 3, 0, 1)] }),
      {},
      'sent 2.0.0 Verified tls=dane-only Ok',
    ],
    [
      'records of another key',
      'dane',
      (port) => ({ [at(port)]: [wrong] }),
      {},
      `deferred 4.7.5 Untrusted tls=!dane ${notVerified}`,
    ],
    ['no records', 'dane', () => ({}), {}, 'sent 2.0.0 Untrusted tls=may Ok'],
    [
      'no records',
      'dane-only',
      () => ({}),
      {},
      'deferred 4.7.5 - tls=unknown? no TLSA records found',
    ],
    [
      'records of usages that do not count',
      'dane',
      (port) => ({ [at(port)]: ['1 1 1 abcd'] }),
      {},
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'records of usages that do not count',
      'dane-only',
      (port) => ({ [at(port)]: ['1 1 1 abcd'] }),
      {},
      'deferred 4.7.5 - tls=unknown? TLSA records unusable',
    ],
    [
      'records that the library does not take',
      'dane',
      (port) => ({ [at(port)]: ['3 5 9 00112233'] }),
      {},
      'sent 2.0.0 Untrusted tls=dane:encrypt Ok',
    ],
    [
      'records that the library does not take',
      'dane-only',
      (port) => ({ [at(port)]: ['3 5 9 00112233'] }),
      {},
      `deferred 4.7.5 Untrusted tls=!dane-only ${notVerified}`,
    ],
    [
      'unsigned MX records',
      'dane-only',
      () => unsignedMx,
      {},
      'deferred 4.7.5 - tls=unknown? non DNSSEC destination',
    ],
    [
      'records that match behind unsigned MX records',
      'dane',
      (port) => ({ ...unsignedMx, [at(port)]: [tlsaOf(issued.certFile, 3, 1, 1)] }),
      {},
      'sent 2.0.0 Trusted tls=halfdane Ok',
    ],
    [
      'records of another key behind unsigned MX records',
      'dane',
      (port) => ({ ...unsignedMx, [at(port)]: [wrong] }),
      {},
      `deferred 4.7.5 Untrusted tls=!halfdane ${notVerified}`,
    ],
    [
      'unsigned MX records, policy encrypt',
      'dane',
      (port) => ({ ...unsignedMx, [at(port)]: [wrong] }),
      { daneInsecureMxPolicy: 'encrypt' },
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'unsigned MX records, policy may',
      'dane',
      (port) => ({ ...unsignedMx, [at(port)]: [wrong] }),
      { daneInsecureMxPolicy: 'may' },
      'sent 2.0.0 Untrusted tls=may Ok',
    ],
    [
      'a TLSA look-up that fails',
      'dane',
      (port) => ({ [at(port)]: 'failure' }),
      {},
      'deferred 4.7.5 - tls=unknown? TLSA lookup error for mx.example.com:PORT',
    ],
  ])('%s at level %s', async (_, level, zone, tls, expected) => {
    const outcome = await deliver({ tls: { securityLevel: level as 'dane', ...tls } }, zone);
    expect(result(outcome)).toBe(expected);
  });
});
