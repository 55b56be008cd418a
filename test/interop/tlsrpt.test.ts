/** Our TLSRPT datagrams beside those of Debian's libtlsrpt, for the same events. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeDatagram } from '../../lib/tlsrpt/datagram.js';
import { noFailureDetail, type TlsrptEvent, type TlsrptPolicy } from '../../lib/tlsrpt/event.js';
import {
  forgetDirectory,
  prepareDebian13,
  runInDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';

const why = whyNoDebian13();

// Makes the calls of the library for events given in JSON, and prints what it sent.
const script = `
import ctypes, json, socket, sys
lib = ctypes.CDLL('libtlsrpt.so.0')
path = 'collector'
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(path)
text = lambda value: None if value is None else value.encode()
policy_types = {'tlsa': 1, 'sts': 2, 'no-policy-found': 9}
failure_types = {
    'starttls-not-supported': 201, 'certificate-host-mismatch': 202, 'certificate-not-trusted': 203,
    'certificate-expired': 204, 'validation-failure': 205, 'sts-policy-fetch-error': 301,
    'sts-policy-invalid': 302, 'sts-webpki-invalid': 303, 'tlsa-invalid': 304, 'dnssec-invalid': 305,
    'dane-required': 306,
}
def call(function, *arguments):
    result = function(*arguments)
    if result != 0:
        sys.exit('%s: %d' % (function.__name__, result))
connection = ctypes.c_void_p()
call(lib.tlsrpt_open, ctypes.byref(connection), path.encode())
for event in json.load(sys.stdin):
    request = ctypes.c_void_p()
    call(lib.tlsrpt_init_delivery_request, ctypes.byref(request), connection,
         text(event['domain']), text(event['record']))
    for result in event['results']:
        policy = result['policy']
        call(lib.tlsrpt_init_policy, request, policy_types[policy['type']], text(policy['domain']))
        for line in policy['strings']:
            call(lib.tlsrpt_add_policy_string, request, text(line))
        for pattern in policy['mxHostPatterns']:
            call(lib.tlsrpt_add_mx_host_pattern, request, text(pattern))
        for failure in result['failures']:
            call(lib.tlsrpt_add_delivery_request_failure, request, failure_types[failure['type']],
                 *[text(failure[key]) for key in ('sendingMtaIp', 'receivingMxHostname',
                   'receivingMxHelo', 'receivingIp', 'additionalInformation', 'reasonCode')])
        call(lib.tlsrpt_finish_policy, request, 0 if result['final'] == 'success' else 1)
    call(lib.tlsrpt_finish_delivery_request, ctypes.byref(request))
    print(receiver.recv(65536).hex())
`;

const everyCharacter = Array.from({ length: 0x17f }, (_, at) => String.fromCodePoint(at + 1)).join(
  '',
);
const failureTypes = [
  ...(['starttls-not-supported', 'certificate-host-mismatch', 'certificate-not-trusted'] as const),
  ...(['certificate-expired', 'validation-failure', 'sts-policy-fetch-error'] as const),
  ...(['sts-policy-invalid', 'sts-webpki-invalid', 'tlsa-invalid', 'dnssec-invalid'] as const),
  'dane-required' as const,
];
const base = { domain: 'example.com', record: 'v=TLSRPTv1; rua=mailto:tlsrpt@example.com' };
const sts: TlsrptPolicy = {
  ...{ type: 'sts', domain: 'example.com', strings: ['version: STSv1', 'mode: "x"\\'] },
  mxHostPatterns: ['mx.example.com', '*.example.com'],
};
const tlsa: TlsrptPolicy = {
  ...{ type: 'tlsa', domain: 'mx.example.com', strings: ['3 1 1 AB', '2 1 1 CD'] },
  mxHostPatterns: [],
};
const noPolicy: TlsrptPolicy = {
  ...{ type: 'no-policy-found', domain: 'example.com', strings: [], mxHostPatterns: [] },
};
const full = {
  ...{ sendingMtaIp: '192.0.2.1', receivingMxHostname: 'mx.example.com' },
  ...{ receivingMxHelo: '250-mx\r\n250 SIZE', receivingIp: '2001:db8::1' },
  ...{ additionalInformation: everyCharacter, reasonCode: 'tls-handshake-failure' },
};

const events: readonly TlsrptEvent[] = [
  { ...base, results: [{ policy: noPolicy, failures: [], final: 'success' }] },
  { ...base, results: [{ policy: tlsa, failures: [], final: 'success' }] },
  { ...base, results: [{ policy: sts, failures: [], final: 'success' }] },
  { ...base, record: everyCharacter, results: [{ policy: sts, failures: [], final: 'failure' }] },
  ...failureTypes.map(
    (type): TlsrptEvent => ({
      ...base,
      results: [{ policy: sts, failures: [{ ...noFailureDetail, type }], final: 'failure' }],
    }),
  ),
  {
    ...base,
    results: [
      { policy: sts, failures: [{ ...full, type: 'validation-failure' }], final: 'failure' },
      { policy: tlsa, failures: [], final: 'failure' },
      {
        policy: noPolicy,
        failures: failureTypes.map((type) => ({ ...full, type })),
        final: 'success',
      },
    ],
  },
];

/** Debian 13 has 0.5.0rc1, which does not say the version of the format yet; the recorded Postfix did. */
function withVersion(hex: string): string {
  return Buffer.from(hex, 'hex')
    .toString()
    .replace(/^\{"d"/, '{"dpv": "1","d"');
}

test.runIf(process.env['CI'] !== undefined)('libtlsrpt can be run', () => {
  expect(why).toBeNull();
});

describe.skipIf(why !== null)('libtlsrpt', () => {
  let directory = '';
  let sent: readonly string[] = [];

  beforeAll(() => {
    prepareDebian13();
    directory = mkdtempSync(join(tmpdir(), 'mxtls-libtlsrpt-'));
    writeFileSync(join(directory, 'send.py'), script);
    const output = runInDebian13(['python3', 'send.py'], directory, JSON.stringify(events));
    sent = output.trimEnd().split('\n');
  }, 600_000);

  afterAll(() => {
    forgetDirectory(directory);
    rmSync(directory, { recursive: true });
  });

  test.each(events.map((event, at) => ({ event, at })))(
    'sends what we send: event $at',
    ({ event, at }) => {
      expect(encodeDatagram(event).toString()).toBe(withVersion(sent[at] ?? ''));
    },
  );
});
