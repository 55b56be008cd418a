/**
 * Events as the datagrams of libtlsrpt, byte for byte, for the collector of tlsrpt-reporter.
 *
 * Version 1 of the format (`dpv`), as of libtlsrpt 0.5.0. The blanks after some colons are the library's.
 */
import { getSystemErrorName } from 'node:util';
import { addon } from '../addon.js';
import '../dispatch.js';
import type { Logger } from '../log/logger.js';
import type {
  TlsrptEvent,
  TlsrptFailure,
  TlsrptFailureType,
  TlsrptPolicyType,
  TlsrptResult,
  TlsrptSink,
} from './event.js';

const policyTypes: Readonly<Record<TlsrptPolicyType, number>> = {
  tlsa: 1,
  sts: 2,
  'no-policy-found': 9,
};

const failureTypes: Readonly<Record<TlsrptFailureType, number>> = {
  'starttls-not-supported': 201,
  'certificate-host-mismatch': 202,
  'certificate-not-trusted': 203,
  'certificate-expired': 204,
  'validation-failure': 205,
  'sts-policy-fetch-error': 301,
  'sts-policy-invalid': 302,
  'sts-webpki-invalid': 303,
  'tlsa-invalid': 304,
  'dnssec-invalid': 305,
  'dane-required': 306,
};

/** What the library sends for an event. */
export function encodeDatagram(event: TlsrptEvent): Buffer {
  const policies = event.results.map(encodeResult).join(',');
  const head = `"dpv": "1","d": ${quote(event.domain)},"pr": ${quote(event.record)}`;
  return Buffer.from(`{${head},"policies":[${policies}]}`, 'utf8');
}

function encodeResult({ policy, failures, final }: TlsrptResult): string {
  return [
    `{"policy-type":${policyTypes[policy.type]},"policy-domain": ${quote(policy.domain)}`,
    list('policy-string', policy.strings.map(quote)),
    list('mx-host', policy.mxHostPatterns.map(quote)),
    list('failure-details', failures.map(encodeFailure)),
    `,"t":${failures.length},"f":${final === 'success' ? 0 : 1}}`,
  ].join('');
}

function list(name: string, values: readonly string[]): string {
  return values.length === 0 ? '' : `,"${name}":[${values.join(',')}]`;
}

function encodeFailure(failure: TlsrptFailure): string {
  const fields = [
    ['s', failure.sendingMtaIp],
    ['n', failure.receivingMxHostname],
    ['h', failure.receivingMxHelo],
    ['r', failure.receivingIp],
    ['a', failure.additionalInformation],
    ['f', failure.reasonCode],
  ] as const;
  const details = fields.map(([key, value]) =>
    value === null ? '' : `,"${key}": ${quote(value)}`,
  );
  return `{"c":${failureTypes[failure.type]}${details.join('')}}`;
}

/** JSON.stringify escapes what the library escapes, but for DEL. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll('\x7f', '\\u007f');
}

export interface TlsrptCollectorProps {
  /** UNIX datagram socket of the collector: `smtp_tlsrpt_socket_name`. */
  readonly socketName: string;
  readonly logger?: Pick<Logger, 'warn'>;
}

/** Sends events to a collector. One that is not there, or does not keep up, costs a warning and the event. */
export class TlsrptCollector implements TlsrptSink {
  readonly #props: TlsrptCollectorProps;

  constructor(props: TlsrptCollectorProps) {
    this.#props = props;
  }

  submit(event: TlsrptEvent): void {
    const { socketName, logger } = this.#props;
    const error = addon.sendDatagram(socketName, encodeDatagram(event));
    if (error !== 0) {
      logger?.warn(`TLSRPT: cannot submit to ${socketName}: ${getSystemErrorName(-error)}`);
    }
  }
}
