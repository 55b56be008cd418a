/** Deliveries over real DNS with signatures (NSD and Unbound): each branch of the tree, and what a host then has to prove. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { TlsLevel } from '../../lib/tls/levels.js';
import { Smtpd } from '../../lib/server.js';
import { authority, serverCertificate, serverIssuer } from '../helpers/certificates.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { outcome } from '../helpers/delivery-world.js';
import { Lines } from '../helpers/lines.js';
import { tlsaOf } from '../helpers/memory-dns.js';
import { SignedWorld, type Zones } from '../helpers/signed-world/signed-world.js';

const issued = serverCertificate('dane-world', ['mx.signed.test', 'signed.test']);
const wrong = `3 1 1 ${'ab'.repeat(32)}`;
const notVerified = 'Server certificate not verified';

/** The TLSA records of `mx`, by the zone that is the destination. */
function zones(port: number): Zones {
  const hosts = (...tlsa: readonly string[]): readonly string[] => [
    '@ MX 10 mx',
    'mx A 127.0.0.1',
    ...tlsa.map((record) => `_${port}._tcp.mx TLSA ${record}`),
  ];
  const ee = tlsaOf(issued.certFile, 3, 1, 1);
  return {
    'signed.test': { state: 'signed', records: [...hosts(ee), 'plain A 127.0.0.1'] },
    'ta.test': {
      state: 'signed',
      records: ['@ MX 10 mx.signed-ta.test.'],
    },
    'signed-ta.test': {
      state: 'signed',
      records: hosts(tlsaOf(serverIssuer().certFile, 2, 0, 1)),
    },
    'wrong.test': { state: 'signed', records: hosts(wrong) },
    'none.test': { state: 'signed', records: hosts() },
    'pkix.test': { state: 'signed', records: hosts(ee.replace(/^3/, '1')) },
    'odd.test': { state: 'signed', records: hosts('3 5 9 00112233') },
    'unsigned.test': { state: 'unsigned', records: hosts(ee) },
    'half.test': { state: 'unsigned', records: ['@ MX 10 mx.signed.test.'] },
    'half-wrong.test': { state: 'unsigned', records: ['@ MX 10 mx.wrong.test.'] },
    'bogus.test': { state: 'bogus', records: hosts(ee) },
    'bogus-host.test': { state: 'signed', records: ['@ MX 10 mx.bogus.test.'] },
    'bogus-tlsa.test': {
      state: 'signed',
      records: hosts(ee),
      corrupt: [[`_${port}._tcp.mx`, 'TLSA']],
    },
    'expired.test': { state: 'expired', records: hosts(ee) },
    'alias.test': {
      state: 'signed',
      records: ['@ MX 10 mx', 'mx CNAME mx.signed.test.'],
    },
    'second.test': {
      state: 'signed',
      records: ['@ MX 10 mx.wrong.test.', '@ MX 20 mx.signed.test.'],
    },
    'null.test': { state: 'signed', records: ['@ MX 0 .'] },
  };
}

const nameService = (name: string, type: string): string =>
  `Host or domain name not found. Name service error for name=${name} type=${type}: Host not found, try again`;

/** Destination, what comes of it at level dane, and at level dane-only. */
const table: readonly (readonly [string, string, string])[] = [
  ['signed.test', 'sent 2.0.0 Verified tls=dane Ok', 'sent 2.0.0 Verified tls=dane-only Ok'],
  [
    'wrong.test',
    `deferred 4.7.5 Untrusted tls=!dane ${notVerified}`,
    `deferred 4.7.5 Untrusted tls=!dane-only ${notVerified}`,
  ],
  [
    'none.test',
    'sent 2.0.0 Untrusted tls=may Ok',
    'deferred 4.7.5 - tls=unknown? no TLSA records found',
  ],
  [
    'pkix.test',
    'sent 2.0.0 Untrusted tls=encrypt Ok',
    'deferred 4.7.5 - tls=unknown? TLSA records unusable',
  ],
  [
    'odd.test',
    'sent 2.0.0 Untrusted tls=dane:encrypt Ok',
    `deferred 4.7.5 Untrusted tls=!dane-only ${notVerified}`,
  ],
  [
    'unsigned.test',
    'sent 2.0.0 Untrusted tls=may Ok',
    'deferred 4.7.5 - tls=unknown? non DNSSEC destination',
  ],
  [
    'half.test',
    'sent 2.0.0 Trusted tls=halfdane Ok',
    'deferred 4.7.5 - tls=unknown? non DNSSEC destination',
  ],
  [
    'half-wrong.test',
    `deferred 4.7.5 Untrusted tls=!halfdane ${notVerified}`,
    'deferred 4.7.5 - tls=unknown? non DNSSEC destination',
  ],
  [
    'bogus.test',
    `deferred 4.4.3 - tls=null ${nameService('bogus.test', 'MX')}`,
    `deferred 4.4.3 - tls=null ${nameService('bogus.test', 'MX')}`,
  ],
  [
    'bogus-host.test',
    `deferred 4.4.3 - tls=null ${nameService('mx.bogus.test', 'AAAA')}`,
    `deferred 4.4.3 - tls=null ${nameService('mx.bogus.test', 'AAAA')}`,
  ],
  [
    'bogus-tlsa.test',
    'deferred 4.7.5 - tls=unknown? TLSA lookup error for mx.bogus-tlsa.test:PORT',
    'deferred 4.7.5 - tls=unknown? TLSA lookup error for mx.bogus-tlsa.test:PORT',
  ],
  [
    'expired.test',
    `deferred 4.4.3 - tls=null ${nameService('expired.test', 'MX')}`,
    `deferred 4.4.3 - tls=null ${nameService('expired.test', 'MX')}`,
  ],
  ['alias.test', 'sent 2.0.0 Verified tls=dane Ok', 'sent 2.0.0 Verified tls=dane-only Ok'],
  ['second.test', 'sent 2.0.0 Verified tls=dane Ok', 'sent 2.0.0 Verified tls=dane-only Ok'],
  [
    'null.test',
    'bounced 5.1.0 - tls=null Domain null.test does not accept mail (nullMX)',
    'bounced 5.1.0 - tls=null Domain null.test does not accept mail (nullMX)',
  ],
];

const reason = whyNoDebian13();

test.runIf(process.env['CI'] !== undefined)('NSD and Unbound can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('over real DNS with signatures', () => {
  let world: SignedWorld;
  let port: number;
  const received: string[] = [];
  const smtpd = new Smtpd({
    logger: new Lines(),
    tls: { securityLevel: 'may', chainFiles: [issued.chainFile] },
    onData: async ({ recipients }, message) => {
      for await (const _ of message) {
        // read to the end
      }
      received.push(...recipients.map(({ address }) => address));
    },
  });

  beforeAll(async () => {
    prepareDebian13();
    ({ port } = await smtpd.listen({ host: '127.0.0.1', port: 0 }));
    world = await SignedWorld.start(zones(port));
  }, 600_000);

  afterAll(async () => {
    await smtpd.close(true);
    await world.close();
  });

  async function deliver(domain: string, level: TlsLevel, options: SmtpOptions = {}) {
    const lines = new Lines();
    const smtp = new Smtp({
      logger: lines,
      dnsSupportLevel: 'dnssec',
      nameservers: [world.nameserver],
      tcpPort: String(port),
      validationNames: { signed: 'mx.signed.test', bogus: 'mx.bogus.test' },
      ...options,
      tls: { securityLevel: level as 'dane', CAfile: authority().certFile, ...options.tls },
    });
    received.length = 0;
    const report = await smtp.deliver({
      sender: '',
      recipients: [`b@${domain}`],
      message: 'x\n',
    });
    expect(received).toEqual(
      report.recipients.flatMap(({ status, recipient }) => (status === 'sent' ? [recipient] : [])),
    );
    return { report, lines };
  }

  // The test CA is trusted here, so that what is not matched is Trusted: only the records count.
  const withoutCa = { tls: { CAfile: '' } };

  test.each(table)('%s', async (domain, dane, daneOnly) => {
    expect(outcome(await deliver(domain, 'dane', withoutCa))).toBe(dane);
    expect(outcome(await deliver(domain, 'dane-only', withoutCa))).toBe(daneOnly);
  });

  test('DANE-TA: the certificate has to name the host', async () => {
    const other = await deliver('ta.test', 'dane', withoutCa);
    expect(outcome(other)).toBe(`deferred 4.7.5 Trusted tls=!dane ${notVerified}`);
  });

  test('a raw public key is asked for when every record is 3 1 x', async () => {
    const { report } = await deliver('signed.test', 'dane', withoutCa);
    expect(report.tls).toMatchObject({ certificateType: 'rpk', matched: { kind: 'tlsa' } });
  });

  test('the levels of CAs do not care for DNS', async () => {
    expect(outcome(await deliver('signed.test', 'secure'))).toBe(
      'sent 2.0.0 Verified tls=secure Ok',
    );
    expect(outcome(await deliver('unsigned.test', 'secure'))).toBe(
      `deferred 4.7.5 Trusted tls=!secure ${notVerified}`,
    );
  });

  test('a resolver that does not validate: all is as without DANE, and that is said', async () => {
    const options = { ...withoutCa, nameservers: [world.nameserverWithoutValidation] };
    const { report, lines } = await deliver('wrong.test', 'dane', options);
    expect(report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may' }]);
    expect(await lines.line(/^warning: DANE is without effect/)).toMatch(
      /does not validate DNSSEC: the signed name mx\.signed\.test comes without the AD bit$/,
    );
  });

  test('one that does is not talked about', async () => {
    const { lines } = await deliver('signed.test', 'dane', withoutCa);
    expect(lines.matching(/^warning/)).toEqual([]);
  });

  test('DANE without smtp_dns_support_level = dnssec is said to be none', async () => {
    const options = { ...withoutCa, dnsSupportLevel: 'enabled' } as const;
    const { report, lines } = await deliver('wrong.test', 'dane', options);
    expect(report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may' }]);
    expect(lines.matching(/^warning/)).toEqual([
      'warning: wrong.test: dane configured with dnssec lookups disabled',
    ]);
  });
});
