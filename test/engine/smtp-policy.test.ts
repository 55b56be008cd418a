/** Levels and policies of the smtp engine end to end: DNS by hand, our server with certificates of a test CA. */
import { describe, expect, test } from 'vitest';
import type { SmtpOptions } from '../../lib/client.js';
import type { DeliveryRequest } from '../../lib/delivery/report.js';
import { certificate } from '../helpers/certificates.js';
import { CAfile, deliver, issued, outcome, type ZoneOf } from '../helpers/delivery-world.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import { tlsaOf } from '../helpers/memory-dns.js';

const lone = certificate('ecdsa');
const at = (port: number): string => `_${port}._tcp.mx.example.com TLSA`;

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
    const done = await deliver({ tls: { securityLevel: securityLevel as 'may', ...tls } });
    expect(outcome(done)).toBe(expected);
    const authenticated = !expected.startsWith('deferred');
    expect(done.server.received).toHaveLength(authenticated ? 1 : 0);
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
    const done = await deliver({ tls: { securityLevel: level as 'dane', ...tls } }, { zone });
    expect(outcome(done)).toBe(expected);
  });
});

describe('what the log says', () => {
  const to = /mx\.example\.com\[127\.0\.0\.1\]:\d+/.source;

  test('why a server is not believed, then the summary, then the record', async () => {
    const { lines } = await deliver({ tls: { securityLevel: 'secure', loglevel: 1 } });
    expect(lines.all).toEqual([
      expect.stringMatching(
        `^certificate verification failed for ${to}: untrusted issuer /O=mxtls test/CN=Test Authority$`,
      ),
      expect.stringMatching(`^Untrusted TLS connection established to ${to}: TLSv1.3`),
      expect.stringMatching(
        /relay=mx\.example\.com\[127\.0\.0\.1\]:\d+, .*tls=!secure, dsn=4\.7\.5, status=deferred \(Server certificate not verified\)$/,
      ),
    ]);
  });

  test('what was matched, with certmatch', async () => {
    const record = tlsaOf(issued.certFile, 3, 0, 1);
    const { lines } = await deliver(
      { tls: { securityLevel: 'dane', loglevel: 'certmatch' } },
      { zone: (port) => ({ [at(port)]: [record] }) },
    );
    const shown = `3 0 1 ${record.slice(6).toUpperCase()}`;
    expect(lines.all.slice(0, 2)).toEqual([
      expect.stringMatching(`^${to}: Matched DANE EE certificate at depth 0: ${shown}$`),
      expect.stringMatching(`^${to}: subject_CN=mail.example.com, issuer=Intermediate 1, cert`),
    ]);
  });

  test('that no TLSA record can be used', async () => {
    const { lines } = await deliver(
      { tls: { securityLevel: 'dane' } },
      { zone: (port) => ({ [at(port)]: ['3 5 9 00112233'] }) },
    );
    expect(lines.matching(/TLSA/)).toEqual([
      expect.stringMatching(`^warning: ${to}: unusable TLSA RR: 3 5 9 00112233$`),
      expect.stringMatching(
        `^warning: ${to}: all TLSA records unusable, fallback to unauthenticated TLS$`,
      ),
    ]);
  });

  test('that a host is passed over', async () => {
    const { lines } = await deliver({ tls: { securityLevel: 'dane-only' } });
    expect(lines.all).toEqual([
      'warning: TLS policy lookup for example.com/mx.example.com: no TLSA records found',
      expect.stringMatching(
        /relay=none, .*tls=unknown\?, dsn=4\.7\.5, status=deferred \(no TLSA records found\)$/,
      ),
    ]);
  });

  test('that no name can be checked, once, and nothing is delivered', async () => {
    const done = await deliver({
      tls: { securityLevel: 'secure', CAfile, secureCertMatch: ['.'] },
    });
    expect(outcome(done)).toBe(
      'deferred 4.7.5 Untrusted tls=!secure Server certificate not verified',
    );
    expect(done.lines.matching(/^warning/)).toEqual([
      expect.stringMatching(`^warning: ${to}: ignoring invalid match name: "."$`),
      expect.stringMatching(`^warning: ${to}: could not configure peer name checks$`),
    ]);
  });

  test('that a policy daemon wants it to fail', async () => {
    const policyTable = {
      'example.com':
        'secure match=mx.example.com policy_type=sts policy_domain=example.com policy_failure=sts-webpki-invalid',
    };
    const done = await deliver({ policyTable, tls: { CAfile } });
    expect(outcome(done)).toBe(
      'deferred 4.7.5 Untrusted tls=!secure Server certificate not verified',
    );
    expect(done.lines.all[0]).toMatch(
      new RegExp(
        `^certificate verification failed for ${to}: external policy failure \\(sts-webpki-invalid\\)$`,
      ),
    );
  });

  test('a server that could have had TLS', async () => {
    const { lines } = await deliver({ tls: { securityLevel: 'none', noteStarttlsOffer: true } });
    expect(lines.all[0]).toBe('Host offered STARTTLS: [mx.example.com]');
  });
});

describe('policy tables', () => {
  test.each<[string, SmtpOptions, string]>([
    [
      'smtp_tls_policy_maps',
      { tls: { policyMaps: ['inline:{ {example.com = encrypt} }'] } },
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'a parent domain',
      { tls: { policyMaps: ['inline:{ {.com = none} }'] } },
      'sent 2.0.0 - tls=none Ok',
    ],
    [
      'a function',
      {
        policyTable: async (key) => (key === 'example.com' ? 'verify' : undefined),
        tls: { CAfile },
      },
      'sent 2.0.0 Verified tls=verify Ok',
    ],
    [
      'a function before tables',
      {
        policyTable: () => 'encrypt',
        tls: { policyMaps: ['inline:{ {example.com = none} }'] },
      },
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'smtp_tls_per_site, by the name of the host',
      { tls: { perSite: ['inline:{ {mx.example.com = MUST_NOPEERMATCH} }'] } },
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'a wrong entry',
      { policyTable: { 'example.com': 'encrypt colour=blue' } },
      'deferred 4.7.5 - tls=unknown? client TLS configuration problem',
    ],
    [
      'a table that fails',
      { policyTable: () => Promise.reject(new Error('down')) },
      'deferred 4.7.5 - tls=unknown? client TLS configuration problem',
    ],
    [
      'a table that cannot be opened',
      { tls: { policyMaps: ['texthash:/nonexistent/policy'] } },
      'deferred 4.7.5 - tls=unknown? client TLS configuration problem',
    ],
    [
      'MX patterns that do not name the host',
      {
        policyTable: {
          'example.com':
            'secure match=x.example policy_type=sts policy_domain=example.com mx_host_pattern=x.example',
        },
      },
      'deferred 4.3.0 - tls=secure? server unavailable or unable to receive mail',
    ],
    [
      'MX patterns that name the host, which the certificate has to name, too',
      {
        policyTable: {
          'example.com':
            'secure match=x.example policy_type=sts policy_domain=example.com mx_host_pattern=*.example.com',
        },
        tls: { CAfile },
      },
      'sent 2.0.0 Verified tls=secure Ok',
    ],
  ])('%s', async (_, options, expected) => {
    expect(outcome(await deliver(options))).toBe(expected);
  });

  test('a table that cannot be opened is tried again with the next delivery', async () => {
    const { lines } = await deliver(
      { tls: { policyMaps: ['texthash:/nonexistent/policy'] } },
      { request: { queueId: 'Q' } },
    );
    expect(lines.matching(/^warning/)).toEqual([
      expect.stringMatching(/^warning: .*\/nonexistent\/policy/),
      'warning: smtp_tls_policy_maps, next-hop destination "example.com": policy table lookup error',
      'warning: TLS policy lookup for example.com/mx.example.com: client TLS configuration problem',
    ]);
  });
});

describe('TLS-Required: no', () => {
  const strict = { tls: { securityLevel: 'secure' } } as const;

  test.each<[string, DeliveryRequest['message'], string]>([
    ['in a string', 'TLS-Required: no\n\nx\n', 'sent 2.0.0 Untrusted tls=may Ok'],
    [
      'in any case',
      Buffer.from('X: y\r\ntls-required:  NO \r\n\r\nx\r\n'),
      'sent 2.0.0 Untrusted tls=may Ok',
    ],
    [
      'in a stream',
      (async function* () {
        yield 'TLS-Req';
        yield Buffer.from('uired: no\n\n');
        yield 'x\n';
      })(),
      'sent 2.0.0 Untrusted tls=may Ok',
    ],
    [
      'in the body',
      'X: y\n\nTLS-Required: no\n',
      'deferred 4.7.5 Untrusted tls=!secure Server certificate not verified',
    ],
    [
      'which says something else',
      'TLS-Required: yes\n\nx\n',
      'deferred 4.7.5 Untrusted tls=!secure Server certificate not verified',
    ],
  ])('%s', async (_, message, expected) => {
    const done = await deliver(strict, { request: { message } });
    expect(outcome(done)).toBe(expected);
    if (expected.startsWith('sent')) {
      expect(done.server.received[0]?.content.toString()).toMatch(/^(X: y\r\n)?TLS-Required/i);
    }
  });

  test('what it says otherwise is told', async () => {
    const message = 'TLS-Required: yes\n\nx\n';
    const { lines } = await deliver(strict, { request: { message, queueId: 'Q' } });
    expect(lines.all[0]).toBe('warning: Q: ignoring malformed header: "TLS-Required: yes"');
  });

  test('tls_required_enable = no', async () => {
    const message = 'TLS-Required: no\n\nx\n';
    const tls = { ...strict.tls, requiredEnable: false };
    expect(outcome(await deliver({ tls }, { request: { message } }))).toMatch(/^deferred 4\.7\.5/);
  });

  test('a stream that fails in its header is not delivered', async () => {
    const message = (async function* () {
      yield 'Subject: x\n';
      throw new Error('gone');
    })();
    const done = await deliver({}, { request: { message } });
    expect(outcome(done)).toBe('deferred 4.3.0 Untrusted tls=may cannot read the message: gone');
    expect(done.server.received).toEqual([]);
  });

  test('a stream that nobody wants is ended', async () => {
    let ended = false;
    const message = (async function* () {
      try {
        yield 'Subject: x\n\n';
        yield 'y\n';
      } finally {
        ended = true;
      }
    })();
    const nexthop = '[nobody.example]';
    const done = await deliver({}, { request: { message, nexthop } });
    expect(done.report.recipients).toMatchObject([{ status: 'bounced', dsn: '5.4.4' }]);
    expect(ended).toBe(true);
  });
});
