/** TLSRPT: records, what is reported of an attempt, and the datagrams that Postfix was recorded to send. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { certificateFailure, TlsrptAttempt } from '../../lib/tlsrpt/attempt.js';
import { encodeDatagram, TlsrptCollector } from '../../lib/tlsrpt/datagram.js';
import type { TlsrptEvent, TlsrptPolicy } from '../../lib/tlsrpt/event.js';
import { findTlsrptRecord, lookUpTlsrptRecord } from '../../lib/tlsrpt/record.js';
import { DatagramSocket } from '../helpers/datagrams.js';
import { found, none, unreachable } from '../helpers/policy-server.js';
import { decodeDatagram } from '../helpers/tlsrpt.js';

const samples = readFileSync(new URL('../fixtures/tlsrpt-samples.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => ({ line, event: decodeDatagram(line) }));

describe('a record', () => {
  const warnings: string[] = [];
  const find = (...records: string[]) => {
    warnings.length = 0;
    const logger = { warn: (text: string) => void warnings.push(text) };
    return findTlsrptRecord('_smtp._tls.example.com', records, logger);
  };

  test.each([
    ['v=TLSRPTv1;rua=mailto:reports@example.com', ['mailto:reports@example.com']],
    ['v=TLSRPTv1 \t; rua=https://r.example/v1/tls?x=1;', ['https://r.example/v1/tls?x=1']],
    [
      'v=TLSRPTv1; x=y; rua=mailto:a@example.com , https://r.example:8443/',
      ['mailto:a@example.com', 'https://r.example:8443/'],
    ],
    ['v=TLSRPTv1; rua=ftp://x/,MAILTO:a@example.com', ['MAILTO:a@example.com']],
  ])('%j asks for reports', (text, rua) => {
    expect(find(text)).toEqual({ text, rua });
    expect(warnings).toEqual([]);
  });

  test.each([
    'v=TLSRPTv1;',
    'v=TLSRPTv1; rua=',
    'v=TLSRPTv1; rua=http://r.example/',
    'v=TLSRPTv1; rua=https://',
    'v=TLSRPTv1; rua=mailto:a@example.com?subject=x',
    'v=TLSRPTv1; rua=mailto:<a@example.com>',
    'v=TLSRPTv1; rua=mailto:a@example.com\r\nBcc: b@example.com',
    'v=TLSRPTv1; rua=mailto:a%0d%0a@example.com',
  ])('%j is malformed, which is a warning', (text) => {
    expect(find(text)).toBe(null);
    expect(warnings).toEqual(['TLSRPT: ignoring the malformed record of _smtp._tls.example.com']);
  });

  test('of another kind is ignored, and of two good ones both', () => {
    const good = 'v=TLSRPTv1; rua=mailto:a@example.com';
    expect(find('v=spf1', 'v=TLSRPTv12; rua=mailto:b@example.com', 'v=TLSRPTv1', good)?.text).toBe(
      good,
    );
    expect(find(good, 'v=TLSRPTv1; x')?.text).toBe(good);
    expect(find(good, good)).toBe(null);
    expect(warnings).toEqual([
      'TLSRPT: ignoring the records of _smtp._tls.example.com: there are 2',
    ]);
  });

  test('is looked up below the domain; failures are warnings', async () => {
    const text = 'v=TLSRPTv1; rua=mailto:a@example.com';
    const look = async (txt: (name: string) => Promise<ReturnType<typeof found<string>>>) => {
      const logger = { warn: (line: string) => void warnings.push(line) };
      warnings.length = 0;
      return [await lookUpTlsrptRecord('example.com', { txt }, logger), ...warnings];
    };
    const record = { text, rua: ['mailto:a@example.com'] };
    const name = '_smtp._tls.example.com';
    expect(await look(async (asked) => found(asked, asked === name ? [text] : []))).toEqual([
      record,
    ]);
    expect(await look(async (asked) => none(asked))).toEqual([null]);
    expect(await look(async () => unreachable)).toEqual([
      ...[null, `TLSRPT: cannot look up ${name}: no server answered`],
    ]);
    expect(await look(() => Promise.reject(new Error('broken')))).toEqual([
      ...[null, `TLSRPT: cannot look up ${name}: broken`],
    ]);
  });
});

describe('a datagram', () => {
  test.each(samples)('is what Postfix sent: $event.domain', ({ line, event }) => {
    expect(encodeDatagram(event).toString()).toBe(line);
  });

  test('was recorded for every kind of failure that Postfix can see without MTA-STS', () => {
    const types = samples.flatMap(({ event }) =>
      event.results.flatMap(({ failures }) => failures.map(({ type }) => type)),
    );
    expect([...new Set(types)].sort()).toEqual([
      ...['certificate-expired', 'certificate-host-mismatch', 'certificate-not-trusted'],
      ...['starttls-not-supported', 'tlsa-invalid', 'validation-failure'],
    ]);
  });

  test('reaches the collector', async () => {
    const socket = await DatagramSocket.open();
    const warnings: string[] = [];
    const logger = { warn: (text: string) => void warnings.push(text) };
    const collector = new TlsrptCollector({ socketName: socket.path, logger });
    for (const { line, event } of samples) {
      collector.submit(event);
      expect(await socket.receive()).toBe(line);
    }
    expect(warnings).toEqual([]);
  });

  test.each([
    ['/nonexistent/socket', 'ENOENT'],
    [join('/tmp', 'x'.repeat(108)), 'ENAMETOOLONG'],
  ])('that cannot be sent to %s is a warning', (socketName, code) => {
    const warnings: string[] = [];
    const logger = { warn: (text: string) => void warnings.push(text) };
    const [sample] = samples;
    new TlsrptCollector({ socketName, logger }).submit(sample?.event as TlsrptEvent);
    expect(warnings).toEqual([`TLSRPT: cannot submit to ${socketName}: ${code}`]);
  });

  test('that is no array of bytes, or has no path, is the caller\u2019s error', () => {
    const send = addon.sendDatagram as (path: unknown, data: unknown) => number;
    for (const [path, data] of [
      [1, Buffer.of(1)],
      ['/tmp/x', 'text'],
      ['/tmp/x', new DataView(new ArrayBuffer(1))],
      [undefined, undefined],
    ]) {
      expect(() => send(path, data)).toThrow(
        expect.objectContaining({ class: 'usage', code: 'INVALID_ARGUMENT' }),
      );
    }
  });

  test('that the collector does not fetch in time is dropped, and nothing waits', async () => {
    const socket = await DatagramSocket.open();
    const warnings: string[] = [];
    const logger = { warn: (text: string) => void warnings.push(text) };
    const collector = new TlsrptCollector({ socketName: socket.path, logger });
    for (let sent = 0; sent < 10_000 && warnings.length === 0; sent++) {
      collector.submit(samples[0]?.event as TlsrptEvent);
    }
    expect(warnings).toEqual([`TLSRPT: cannot submit to ${socket.path}: EAGAIN`]);
  });
});

describe('an attempt', () => {
  const sts: TlsrptPolicy = {
    ...{ type: 'sts', domain: 'example.com', strings: ['mode: testing'] },
    mxHostPatterns: ['*.example.com'],
  };
  const noPolicy: TlsrptPolicy = { ...sts, type: 'no-policy-found' };
  const connection = {
    ...{ sendingMtaIp: '192.0.2.1', receivingMxHostname: 'mx.example.com' },
    receivingIp: '192.0.2.2',
  };
  const detail = { ...connection, receivingMxHelo: '250 mx', additionalInformation: null };

  function start(skipReusedHandshakes = false) {
    const events: TlsrptEvent[] = [];
    const lines: string[] = [];
    const attempt = new TlsrptAttempt({
      ...{ domain: 'example.com', record: 'v=TLSRPTv1; x', skipReusedHandshakes },
      sinks: [{ submit: (event) => void events.push(event) }],
      logger: { info: (line) => void lines.push(line) },
    });
    attempt.setPolicy(sts);
    attempt.setConnection(connection);
    attempt.setHelo('250 mx');
    return { attempt, events, lines, results: () => events.map(({ results }) => results) };
  }

  test('that succeeds is one success', () => {
    const { attempt, events, lines } = start();
    expect([attempt.success(false), attempt.success(false)]).toEqual([true, false]);
    expect(events).toEqual([
      {
        ...{ domain: 'example.com', record: 'v=TLSRPTv1; x' },
        results: [{ policy: sts, failures: [], final: 'success' }],
      },
    ]);
    expect(lines).toEqual([
      'TLSRPT: status=success, domain=example.com, receiving_mx=mx.example.com[192.0.2.2]',
    ]);
  });

  test('that fails is one failure: the first that is reported', () => {
    const { attempt, lines, results } = start();
    expect(attempt.failure('validation-failure', 'self-signed_certificate')).toBe(true);
    expect(attempt.failure('certificate-host-mismatch')).toBe(false);
    expect(attempt.success(false)).toBe(false);
    const failure = {
      ...detail,
      type: 'validation-failure',
      reasonCode: 'self-signed_certificate',
    };
    expect(results()).toEqual([[{ policy: sts, failures: [failure], final: 'failure' }]]);
    expect(lines).toEqual([
      'TLSRPT: status=failure, domain=example.com, receiving_mx=mx.example.com[192.0.2.2], ' +
        'failure_type=validation_failure, failure_reason=self-signed_certificate',
    ]);
  });

  test('without a reason has none in the log', () => {
    const { attempt, lines } = start();
    attempt.failure('starttls-not-supported');
    expect(lines[0]).toMatch(/\], failure_type=starttls_not_supported$/);
  });

  test('with a session that is resumed is reported, unless that is to be skipped', () => {
    expect(start(false).attempt.success(true)).toBe(true);
    const { attempt, events } = start(true);
    expect(attempt.success(true)).toBe(false);
    expect(events).toEqual([]);
    expect(attempt.failure('certificate-not-trusted')).toBe(true);
  });

  test('under a policy that is only tested fails with all that would have been refused', () => {
    const mismatch = { type: 'certificate-host-mismatch', reasonCode: null } as const;
    const strange = { type: 'validation-failure', reasonCode: 'x' } as const;
    const { attempt, results } = start();
    expect(attempt.tested(false, [])).toBe(false);
    expect(attempt.tested(false, [strange, mismatch])).toBe(true);
    expect(attempt.success(false)).toBe(false);
    const failures = [strange, mismatch].map((failure) => ({ ...detail, ...failure }));
    expect(results()).toEqual([[{ policy: sts, failures, final: 'failure' }]]);
    expect(start(false).attempt.tested(true, [mismatch])).toBe(true);
    expect(start(true).attempt.tested(true, [mismatch])).toBe(false);
  });

  test('is one failure for each host that is passed over, without addresses', () => {
    const { attempt, results } = start();
    const why = { type: 'validation-failure', reasonCode: 'x' } as const;
    for (const host of ['mx1.example.com', 'mx2.example.com', 'mx1.example.com']) {
      attempt.skipped(sts, host, why);
    }
    const failures = results().flatMap((of) => of.flatMap((result) => result.failures));
    expect(failures).toMatchObject([
      { receivingMxHostname: 'mx1.example.com', receivingIp: null, sendingMtaIp: null },
      { receivingMxHostname: 'mx2.example.com', receivingIp: null, sendingMtaIp: null },
    ]);
  });

  test('is nothing before there is a connection', () => {
    const { attempt, events } = start();
    attempt.setPolicy(sts);
    expect(attempt.failure('starttls-not-supported')).toBe(false);
    expect(events).toEqual([]);
  });

  test('on a new connection counts anew, without the greeting of the last', () => {
    const { attempt, results } = start();
    attempt.note('certificate-expired');
    attempt.also(noPolicy, 'failure', null);
    attempt.failure('starttls-not-supported');
    attempt.setConnection(connection);
    attempt.failure('starttls-not-supported');
    expect(results().map((of) => of.map(({ failures }) => failures.length))).toEqual([[0, 2], [1]]);
    expect(results()[1]?.[0]?.failures[0]?.receivingMxHelo).toBe(null);
  });

  test('without a policy has neither strings nor patterns', () => {
    const { attempt, results } = start();
    attempt.setPolicy(noPolicy);
    attempt.setConnection(connection);
    attempt.success(false);
    expect(results()[0]?.[0]?.policy).toEqual({ ...noPolicy, strings: [], mxHostPatterns: [] });
  });

  test('may have more to tell than how it ended', () => {
    const { attempt, results } = start();
    attempt.also(noPolicy, 'failure', 'sts-policy-fetch-error');
    attempt.note('certificate-expired');
    attempt.note('certificate-host-mismatch');
    attempt.success(false);
    const failures = ['certificate-expired', 'certificate-host-mismatch'] as const;
    expect(results()).toEqual([
      [
        {
          ...{ policy: noPolicy, final: 'failure' },
          failures: [{ ...detail, type: 'sts-policy-fetch-error', reasonCode: null }],
        },
        {
          ...{ policy: sts, final: 'success' },
          failures: failures.map((type) => ({ ...detail, type, reasonCode: null })),
        },
      ],
    ]);
  });
});

test.each([
  [10, 'certificate has expired', 'certificate-expired', null],
  [14, "format error in certificate's notAfter field", 'certificate-expired', null],
  [9, 'certificate is not yet valid', 'validation-failure', 'certificate_is_not_yet_valid'],
  [18, 'self-signed certificate', 'validation-failure', 'self-signed_certificate'],
  [
    ...([19, 'self-signed certificate in certificate chain', 'validation-failure'] as const),
    'self-signed_certificate_in_certificate_chain',
  ],
  [
    ...([20, 'unable to get local issuer certificate', 'validation-failure'] as const),
    'unable_to_get_local_issuer_certificate',
  ],
  [22, 'certificate chain too long', 'validation-failure', 'certificate_chain_too_long'],
  [
    ...([26, 'unsuitable certificate purpose', 'validation-failure'] as const),
    'unsuitable_certificate_purpose',
  ],
  [27, 'certificate not trusted', 'certificate-not-trusted', null],
  [65, 'no matching DANE TLSA records', 'certificate-not-trusted', null],
])('verify error %i (%s) is %s', (code, text, type, reasonCode) => {
  expect(certificateFailure({ code, depth: 0, text }, false)).toEqual({ type, reasonCode });
});

test('a certificate that is trusted has the wrong name; without detail it is not trusted', () => {
  const mismatch = { type: 'certificate-host-mismatch', reasonCode: null };
  expect(certificateFailure(null, true)).toEqual(mismatch);
  expect(certificateFailure(null, false)).toEqual({ ...mismatch, type: 'certificate-not-trusted' });
});
