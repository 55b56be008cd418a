/** MTA-STS and TLSRPT of deliveries: which policy a host is held to, and what is reported of it. */
import { describe, expect, test } from 'vitest';
import type { SmtpOptions } from '../../lib/client.js';
import { MtaSts } from '../../lib/sts/index.js';
import { makeReport, type TlsrptEvent, type TlsrptSink } from '../../lib/tlsrpt/index.js';
import {
  type Certificate,
  certificate,
  hostCertificate,
  serverCertificate,
} from '../helpers/certificates.js';
import { DatagramSocket } from '../helpers/datagrams.js';
import {
  CAfile,
  deliver,
  type Delivered,
  type DeliveryWorld,
  issued,
  outcome,
} from '../helpers/delivery-world.js';
import { type MemoryDns, tlsaOf } from '../helpers/memory-dns.js';
import { PolicyServer, textPlain } from '../helpers/policy-server.js';
import { decodeDatagram } from '../helpers/tlsrpt.js';

const record = 'v=TLSRPTv1; rua=mailto:tls@example.com';
const wanted = { '_smtp._tls.example.com TXT': [record] };
const at = (port: number): string => `_${port}._tcp.mx.example.com TLSA`;

class Sink implements TlsrptSink {
  readonly events: TlsrptEvent[] = [];

  submit(event: TlsrptEvent): void {
    this.events.push(event);
  }
}

/** The policies of the events with how they went: `no-policy-found example.com success`. */
function told({ events }: Sink): readonly string[] {
  return events.flatMap(({ results }) =>
    results.map(({ policy, final, failures }) => {
      const why = failures.map(({ type, reasonCode }) => ` ${type}(${reasonCode ?? ''})`);
      return `${policy.type} ${policy.domain} ${final}${why.join('')}`;
    }),
  );
}

async function reported(
  options: SmtpOptions,
  world: DeliveryWorld = {},
): Promise<Delivered & { readonly sink: Sink }> {
  const sink = new Sink();
  const { zone = {} } = world;
  const done = await deliver(
    { tlsrpt: [sink], ...options },
    {
      ...world,
      zone: (port) => ({ ...wanted, ...(typeof zone === 'function' ? zone(port) : zone) }),
    },
  );
  return { ...done, sink };
}

const expired = serverCertificate(
  'expired',
  ['mx.example.com'],
  ...['-not_before', '20200101000000Z', '-not_after', '20200201000000Z'],
);

describe('TLSRPT', () => {
  test.each<[string, SmtpOptions['tls'], DeliveryWorld, readonly string[]]>([
    ['a success', {}, {}, ['no-policy-found example.com success']],
    [
      'DANE',
      { securityLevel: 'dane' },
      { zone: (port) => ({ [at(port)]: [tlsaOf(issued.certFile, 3, 1, 1)] }) },
      ['tlsa mx.example.com success'],
    ],
    [
      'records of which none can be used',
      { securityLevel: 'dane' },
      { zone: (port) => ({ [at(port)]: ['3 5 9 00112233'] }) },
      ['tlsa mx.example.com failure tlsa-invalid(all-TLSA-records-unusable)'],
    ],
    [
      'records of another key',
      { securityLevel: 'dane' },
      { zone: (port) => ({ [at(port)]: [`3 1 1 ${'ab'.repeat(32)}`] }) },
      ['tlsa mx.example.com failure certificate-not-trusted()'],
    ],
    [
      'an issuer that nobody knows',
      { securityLevel: 'secure' },
      {},
      [
        'no-policy-found example.com failure validation-failure(unable_to_get_local_issuer_certificate)',
      ],
    ],
    [
      'a self-signed certificate',
      { securityLevel: 'secure' },
      { chain: certificate('ecdsa') },
      ['no-policy-found example.com failure validation-failure(self-signed_certificate)'],
    ],
    [
      'a certificate that has expired',
      { securityLevel: 'verify', CAfile },
      { chain: expired },
      ['no-policy-found example.com failure certificate-expired()'],
    ],
    [
      'another name',
      { securityLevel: 'secure', CAfile, secureCertMatch: ['other.example'] },
      {},
      ['no-policy-found example.com failure certificate-host-mismatch()'],
    ],
    [
      'no STARTTLS where it is needed',
      { securityLevel: 'encrypt' },
      { smtpd: { tls: {} } },
      ['no-policy-found example.com failure starttls-not-supported()'],
    ],
    ['no STARTTLS where it is not', {}, { smtpd: { tls: {} } }, []],
    [
      'a handshake that fails',
      { securityLevel: 'encrypt', mandatoryProtocols: 'TLSv1.3' },
      {
        smtpd: {
          tls: { securityLevel: 'may', chainFiles: [issued.chainFile], protocols: '<=TLSv1.2' },
        },
      },
      ['no-policy-found example.com failure validation-failure(tls-handshake-failure)'],
    ],
    ['level none', { securityLevel: 'none' }, {}, []],
  ])('%s', async (_, tls, world, expected) => {
    const { sink } = await reported({ tls: tls ?? {} }, world);
    expect(told(sink)).toEqual(expected);
  });

  test('tells who and where', async () => {
    const { sink } = await reported({ tls: { securityLevel: 'secure' } });
    expect(sink.events).toMatchObject([
      {
        domain: 'example.com',
        record,
        results: [
          {
            failures: [
              {
                sendingMtaIp: '127.0.0.1',
                receivingMxHostname: 'mx.example.com',
                receivingIp: '127.0.0.1',
                receivingMxHelo: expect.stringMatching(/^250-mx\.example\.com\r\n250-.*[^\n]$/s),
              },
            ],
          },
        ],
      },
    ]);
  });

  test('nobody is told where nobody wants to know, or the message says TLS-Required: no', async () => {
    const sink = new Sink();
    await deliver({ tlsrpt: [sink] });
    const zone = wanted;
    const message = 'TLS-Required: no\n\nx\n';
    await deliver({ tlsrpt: [sink] }, { zone, request: { message } });
    await deliver({ tlsrpt: [sink] }, { zone, request: { nexthop: '[127.0.0.1]:1' } });
    expect(sink.events).toEqual([]);
  });

  test('smtp_tlsrpt_socket_name gets datagrams', async () => {
    const socket = await DatagramSocket.open();
    const { lines } = await deliver(
      { tlsrptEnable: true, tlsrptSocketName: socket.path, tls: { securityLevel: 'secure' } },
      { zone: wanted },
    );
    const event = decodeDatagram(await socket.receive());
    expect(event).toMatchObject({
      domain: 'example.com',
      results: [{ final: 'failure', failures: [{ type: 'validation-failure' }] }],
    });
    expect(lines.matching(/^TLSRPT/)).toEqual([
      'TLSRPT: status=failure, domain=example.com, receiving_mx=mx.example.com[127.0.0.1], failure_type=validation_failure, failure_reason=unable_to_get_local_issuer_certificate',
    ]);
  });

  test('a collector that is not there costs a warning', async () => {
    const { lines, report } = await deliver(
      { tlsrptEnable: true, tlsrptSocketName: '/nonexistent/socket' },
      { zone: wanted },
    );
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(lines.matching(/^warning/)).toEqual([
      'warning: TLSRPT: cannot submit to /nonexistent/socket: ENOENT',
    ]);
  });

  test('without a socket it is off, and that is said', async () => {
    const { lines } = await deliver({ tlsrptEnable: true });
    expect(lines.all[0]).toBe(
      'warning: smtp_tlsrpt_enable requires smtp_tlsrpt_socket_name: TLSRPT is disabled',
    );
  });
});

describe('MTA-STS', () => {
  const web = hostCertificate('sts-example-com', 'DNS:mta-sts.example.com');
  const policy = (mode: string, mx: string): string =>
    `version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: 86400\n`;

  /** A delivery by MTA-STS; `body` null: the web server has no policy. */
  async function bySts(
    body: string | null,
    options: SmtpOptions = {},
    world: DeliveryWorld = {},
  ): Promise<Delivered & { readonly sink: Sink; readonly requests: readonly string[] }> {
    const server = await PolicyServer.start(web, (response) => {
      response.statusCode = body === null ? 404 : 200;
      textPlain(body ?? '')(response);
    });
    const txt: MemoryDns['txt'] = async (name) => ({
      ...{ kind: 'found', records: ['v=STSv1; id=1'], secure: false, name, ttl: 60 },
    });
    const sts = new MtaSts({ ...server.props, dns: { ...server.props.dns, txt } });
    const done = await reported({ sts, ...options }, world);
    return { ...done, requests: server.requests };
  }

  test('enforce: the certificate has to be trusted and name the host', async () => {
    const good = await bySts(policy('enforce', '*.example.com'), { tls: { CAfile } });
    expect(outcome(good)).toBe('sent 2.0.0 Verified tls=secure Ok');
    expect(told(good.sink)).toEqual(['sts example.com success']);
    expect(good.sink.events[0]?.results[0]?.policy).toMatchObject({
      mxHostPatterns: ['*.example.com'],
      strings: ['version: STSv1', 'mode: enforce', 'mx: *.example.com', 'max_age: 86400'],
    });
    const bad = await bySts(policy('enforce', 'mx.example.com'));
    expect(outcome(bad)).toBe(
      'deferred 4.7.5 Untrusted tls=!secure Server certificate not verified',
    );
    expect(told(bad.sink)).toEqual([
      'sts example.com failure validation-failure(unable_to_get_local_issuer_certificate)',
    ]);
  });

  test('enforce: a host that no pattern names is passed over', async () => {
    const done = await bySts(
      policy('enforce', 'mx.other.example'),
      { tls: { CAfile } },
      { zone: { 'mx.example.com A': ['127.0.0.1', '127.0.0.2'] } },
    );
    expect(outcome(done)).toBe(
      'deferred 4.3.0 - tls=secure? server unavailable or unable to receive mail',
    );
    expect(done.lines.all[0]).toBe(
      "warning: MX name 'mx.example.com' does not match STS MX pattern for 'example.com'",
    );
    expect(done.server.received).toEqual([]);
    expect(told(done.sink)).toEqual([
      'sts example.com failure validation-failure(MX-host-not-in-policy)',
    ]);
    expect(done.sink.events[0]?.results[0]?.failures).toMatchObject([
      { receivingMxHostname: 'mx.example.com', receivingIp: null, sendingMtaIp: null },
    ]);
    expect(done.lines.matching(/^TLSRPT/)).toEqual([
      'TLSRPT: status=failure, domain=example.com, receiving_mx=mx.example.com[unknown], failure_type=validation_failure, failure_reason=MX-host-not-in-policy',
    ]);
  });

  test('enforce: of two hosts the one that no pattern names is reported, the other gets the mail', async () => {
    const done = await bySts(
      policy('enforce', 'mx.example.com'),
      { tls: { CAfile } },
      {
        zone: {
          'example.com MX': ['5 mx.other.example', '10 mx.example.com'],
          'mx.other.example A': ['127.0.0.1'],
        },
      },
    );
    expect(outcome(done)).toBe('sent 2.0.0 Verified tls=secure Ok');
    expect(told(done.sink)).toEqual([
      'sts example.com failure validation-failure(MX-host-not-in-policy)',
      'sts example.com success',
    ]);
  });

  const fromHost = (...names: readonly string[]): Certificate =>
    serverCertificate(`testing-${names.join('-').replace('*', 'any')}`, names);
  const plain = { smtpd: { tls: {} } };

  test.each<[string, string, SmtpOptions['tls'], DeliveryWorld, string]>([
    [
      'an issuer that nobody knows',
      'mx.example.com',
      {},
      {},
      'failure validation-failure(unable_to_get_local_issuer_certificate)',
    ],
    [
      'a certificate for another name',
      'mx.example.com',
      { CAfile },
      { chain: fromHost('mx.example.net') },
      'failure certificate-host-mismatch()',
    ],
    [
      'a certificate that has expired',
      'mx.example.com',
      { CAfile },
      { chain: expired },
      'failure certificate-expired()',
    ],
    [
      'a self-signed certificate',
      'mx.example.com',
      { CAfile },
      { chain: certificate('ecdsa') },
      'failure validation-failure(self-signed_certificate)',
    ],
    ['no STARTTLS', 'mx.example.com', { CAfile }, plain, 'failure starttls-not-supported()'],
    [
      'a host that no pattern names',
      'mx.other.example',
      { CAfile },
      {},
      'failure validation-failure(MX-host-not-in-policy)',
    ],
    [
      'all that is wrong',
      'mx.other.example',
      { CAfile },
      { chain: fromHost('mx.example.net') },
      'failure validation-failure(MX-host-not-in-policy) certificate-host-mismatch()',
    ],
    [
      'such a host without STARTTLS',
      'mx.other.example',
      { CAfile },
      plain,
      'failure validation-failure(MX-host-not-in-policy) starttls-not-supported()',
    ],
    ['nothing', 'mx.example.com', { CAfile }, {}, 'success'],
    ['no wildcard', 'mx.example.com', { CAfile }, { chain: fromHost('*.example.com') }, 'success'],
  ])('testing: delivered, and %s reported', async (_, mx, tls, world, went) => {
    const done = await bySts(policy('testing', mx), { tls: tls ?? {} }, world);
    expect(done.report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(told(done.sink)).toEqual([`sts example.com ${went}`]);
  });

  test('testing: the log and the datagram say what would have failed, and the status stays Trusted', async () => {
    const socket = await DatagramSocket.open();
    const done = await bySts(
      policy('testing', '*.example.com'),
      { tlsrptEnable: true, tlsrptSocketName: socket.path, tls: { CAfile, loglevel: 1 } },
      { chain: fromHost('mx.example.net') },
    );
    expect(outcome(done)).toBe('sent 2.0.0 Trusted tls=may Ok');
    const event = decodeDatagram(await socket.receive());
    expect(event.results).toMatchObject([
      {
        policy: { type: 'sts', mxHostPatterns: ['*.example.com'] },
        final: 'failure',
        failures: [{ type: 'certificate-host-mismatch', receivingMxHostname: 'mx.example.com' }],
      },
    ]);
    expect(done.lines.matching(/^TLSRPT/)).toEqual([
      'TLSRPT: status=failure, domain=example.com, receiving_mx=mx.example.com[127.0.0.1], failure_type=certificate_host_mismatch',
    ]);
    expect(done.lines.matching(/^(Un|T)rusted|^Verified/)).toMatchObject([
      expect.stringMatching(/^Trusted TLS connection established to mx\.example\.com/),
    ]);
  });

  test('testing: the report of the day counts it as a failed session', async () => {
    const done = await bySts(
      policy('testing', 'mx.example.com'),
      { tls: { CAfile } },
      { chain: fromHost('mx.example.net') },
    );
    const counts = done.sink.events.flatMap(({ domain, record: text, results }) =>
      results.map((result) => ({ ...result, domain, record: text, count: 1 })),
    );
    const submitter = {
      ...{ organizationName: 'Client', contactInfo: 'a@client.example', domain: 'client.example' },
      from: 'a@client.example',
    };
    expect(makeReport('2030-01-31', 'example.com', counts, submitter).policies).toMatchObject([
      {
        policy: { 'policy-type': 'sts', 'mx-host': ['mx.example.com'] },
        summary: { 'total-successful-session-count': 0, 'total-failure-session-count': 1 },
        'failure-details': [
          { 'result-type': 'certificate-host-mismatch', 'failed-session-count': 1 },
        ],
      },
    ]);
  });

  test('testing: the certificate is asked for as an enforced policy does, by name and without raw keys', async () => {
    const done = await bySts(policy('testing', 'mx.example.com'), {
      tls: { CAfile, enableRpk: true },
    });
    expect(outcome(done)).toBe('sent 2.0.0 Trusted tls=may Ok');
    expect(done.report.tls).toMatchObject({ certificateType: 'x509' });
    expect(told(done.sink)).toEqual(['sts example.com success']);
  });

  test('none is as if there were none', async () => {
    const done = await bySts(policy('none', 'mx.other.example'));
    expect(done.report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may' }]);
    expect(told(done.sink)).toEqual(['no-policy-found example.com success']);
  });

  test('a policy that cannot be had is reported beside', async () => {
    const done = await bySts(null);
    expect(done.report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may' }]);
    expect(told(done.sink)).toEqual([
      'sts example.com failure sts-policy-fetch-error()',
      'no-policy-found example.com success',
    ]);
  });

  test('DANE comes first, even where it fails', async () => {
    const dane = { tls: { securityLevel: 'dane' as const } };
    const good = await bySts(policy('enforce', 'mx.other.example'), dane, {
      zone: (port) => ({ [at(port)]: [tlsaOf(issued.certFile, 3, 1, 1)] }),
    });
    expect(outcome(good)).toBe('sent 2.0.0 Verified tls=dane Ok');
    expect(good.requests).toEqual([]);
    const bad = await bySts(policy('testing', 'mx.example.com'), dane, {
      zone: (port) => ({ [at(port)]: [`3 1 1 ${'ab'.repeat(32)}`] }),
    });
    expect(outcome(bad)).toMatch(/^deferred 4\.7\.5 Untrusted tls=!dane /);
  });

  test('at level dane, for a host without records', async () => {
    const tls = { securityLevel: 'dane', CAfile } as const;
    const done = await bySts(policy('enforce', 'mx.example.com'), { tls });
    expect(outcome(done)).toBe('sent 2.0.0 Verified tls=secure Ok');
  });

  test('not where a table has the destination, or main.cf asks for more than may', async () => {
    const enforce = policy('enforce', 'mx.other.example');
    const table = await bySts(enforce, { policyTable: { 'example.com': 'may' } });
    expect(outcome(table)).toBe('sent 2.0.0 Untrusted tls=may Ok');
    const stronger = await bySts(enforce, { tls: { securityLevel: 'encrypt' } });
    expect(outcome(stronger)).toBe('sent 2.0.0 Untrusted tls=encrypt Ok');
    expect([...table.requests, ...stronger.requests]).toEqual([]);
  });
});
