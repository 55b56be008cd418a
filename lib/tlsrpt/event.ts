/**
 * What TLSRPT (RFC 8460) says of one delivery attempt, in the words of Postfix and libtlsrpt.
 */

export type TlsrptPolicyType = 'tlsa' | 'sts' | 'no-policy-found';

/** RFC 8460 section 4.3; those of `dnssec` and `dane` are never raised by Postfix. */
export type TlsrptFailureType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-not-trusted'
  | 'certificate-expired'
  | 'validation-failure'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required';

/** The policy that a session is held against. */
export interface TlsrptPolicy {
  readonly type: TlsrptPolicyType;
  /** TLSA base domain, or the policy domain of MTA-STS; else the recipient domain. */
  readonly domain: string;
  /** TLSA records as `U S M HEX`, or the lines of an MTA-STS policy; empty without a policy. */
  readonly strings: readonly string[];
  /** Of MTA-STS. */
  readonly mxHostPatterns: readonly string[];
}

export interface TlsrptFailure {
  readonly type: TlsrptFailureType;
  readonly sendingMtaIp: string | null;
  readonly receivingMxHostname: string | null;
  /** The reply to EHLO before STARTTLS, lines ending in CRLF but the last. */
  readonly receivingMxHelo: string | null;
  readonly receivingIp: string | null;
  readonly additionalInformation: string | null;
  readonly reasonCode: string | null;
}

/** How an attempt did under one policy. */
export interface TlsrptResult {
  readonly policy: TlsrptPolicy;
  /** A success may have failures as well: what went wrong before it went right, or in testing mode. */
  readonly failures: readonly TlsrptFailure[];
  readonly final: 'success' | 'failure';
}

/** One attempt, under one policy or several. */
export interface TlsrptEvent {
  /** The recipient domain, whose `_smtp._tls` record asks for reports. */
  readonly domain: string;
  /** That record. */
  readonly record: string;
  readonly results: readonly TlsrptResult[];
}

/** Gets events; must not throw. */
export interface TlsrptSink {
  submit(event: TlsrptEvent): void;
}

export const noFailureDetail: Omit<TlsrptFailure, 'type'> = {
  sendingMtaIp: null,
  receivingMxHostname: null,
  receivingMxHelo: null,
  receivingIp: null,
  additionalInformation: null,
  reasonCode: null,
};
