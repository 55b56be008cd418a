/**
 * Follows one delivery attempt, from policy to the end of authentication, and reports it once.
 *
 * Postfix's rules: one event for a new TCP connection on which TLS was tried; the first to report wins; nothing for
 * connections that are used again; nothing for what happens after the handshake; a resumed session counts unless
 * `smtp_tlsrpt_skip_reused_handshakes`.
 *
 * ```ts
 * const attempt = new TlsrptAttempt({ domain, record, sinks, logger });
 * attempt.setPolicy({ type: 'sts', domain, strings, mxHostPatterns });  // for each host; forgets the one before
 * attempt.setConnection({ sendingMtaIp, receivingMxHostname, receivingIp });
 * attempt.setHelo(reply);                                               // EHLO before STARTTLS
 * attempt.note('validation-failure');                                   // wrong as well, goes with what decides
 * attempt.failure('certificate-expired');  or  attempt.tested(resumed, failures);  or  attempt.success(resumed);
 * ```
 */
import type { Logger } from '../log/logger.js';
import type { VerifyError } from '../snapshot.js';
import {
  noFailureDetail,
  type TlsrptEvent,
  type TlsrptFailure,
  type TlsrptFailureType,
  type TlsrptPolicy,
  type TlsrptResult,
  type TlsrptSink,
} from './event.js';

export interface TlsrptAttemptProps {
  readonly domain: string;
  /** Text of the `_smtp._tls` record. */
  readonly record: string;
  readonly sinks: readonly TlsrptSink[];
  readonly logger?: Pick<Logger, 'info'>;
  /** Resumed sessions are not reported. */
  readonly skipReusedHandshakes?: boolean;
}

export interface TlsrptConnection {
  readonly sendingMtaIp: string | null;
  readonly receivingMxHostname: string;
  readonly receivingIp: string | null;
}

export class TlsrptAttempt {
  readonly #props: TlsrptAttemptProps;
  #policy: TlsrptPolicy | null = null;
  #connection: TlsrptConnection | null = null;
  #helo: string | null = null;
  #notes: TlsrptFailure[] = [];
  #others: TlsrptResult[] = [];
  #reported = false;
  /** Hosts. */
  readonly #skipped = new Set<string>();

  constructor(props: TlsrptAttemptProps) {
    this.#props = props;
  }

  /** A new host: all that was known of the one before is forgotten. */
  setPolicy(policy: TlsrptPolicy): void {
    const none = policy.type === 'no-policy-found';
    this.#policy = none ? { ...policy, strings: [], mxHostPatterns: [] } : policy;
    this.#forget(null);
  }

  /** A new TCP connection to the host: the policy stays, what was said of the one before goes. */
  setConnection(connection: TlsrptConnection): void {
    this.#forget(connection);
  }

  /**
   * A host is passed over for its policy, which is a failure without a connection: once, however many addresses it has.
   * Postfix has no such thing.
   */
  skipped(policy: TlsrptPolicy, host: string, { type, reasonCode }: CertificateFailure): void {
    if (!this.#skipped.has(host)) {
      this.#skipped.add(host);
      this.setPolicy(policy);
      this.setConnection({ sendingMtaIp: null, receivingMxHostname: host, receivingIp: null });
      this.failure(type, reasonCode);
    }
  }

  setHelo(reply: string): void {
    this.#helo = reply;
  }

  /** Something that is wrong and does not decide; goes with what decides. Postfix has no such thing. */
  note(type: TlsrptFailureType, reasonCode: string | null = null): void {
    if (!this.#reported) {
      this.#notes.push(this.#failure(type, reasonCode));
    }
  }

  /**
   * How the attempt did under one more policy, such as an MTA-STS policy that cannot be had while the host is greeted
   * without. Postfix has no such thing.
   */
  also(policy: TlsrptPolicy, final: 'success' | 'failure', type: TlsrptFailureType | null): void {
    if (!this.#reported) {
      const failures = type === null ? [] : [this.#failure(type, null)];
      this.#others.push({ policy, failures, final });
    }
  }

  /** The attempt has failed; what comes after is not reported. False: it had been reported. */
  failure(type: TlsrptFailureType, reasonCode: string | null = null): boolean {
    if (!this.#report('failure', [...this.#notes, this.#failure(type, reasonCode)])) {
      return false;
    }
    const why = reasonCode === null ? '' : `, failure_reason=${reasonCode}`;
    this.#log('failure', `, failure_type=${type.replaceAll('-', '_')}${why}`);
    return true;
  }

  /**
   * The handshake is done under a policy that is only tested: what it would have refused makes the session a failed one,
   * as in the example of RFC 8460 (appendix B), though the mail goes. Postfix has no such thing. False: nothing would have
   * been refused, it had been reported, or is not to be.
   */
  tested(resumed: boolean, failures: readonly CertificateFailure[]): boolean {
    const last = failures.at(-1);
    if (last === undefined || (resumed && this.#props.skipReusedHandshakes === true)) {
      return false;
    }
    for (const { type, reasonCode } of failures.slice(0, -1)) {
      this.note(type, reasonCode);
    }
    return this.failure(last.type, last.reasonCode);
  }

  /** Handshake and authentication are done. False: it had been reported, or is not to be. */
  success(resumed: boolean): boolean {
    if (resumed && this.#props.skipReusedHandshakes === true) {
      return false;
    }
    if (!this.#report('success', this.#notes)) {
      return false;
    }
    this.#log('success', '');
    return true;
  }

  #forget(connection: TlsrptConnection | null): void {
    this.#connection = connection;
    this.#helo = null;
    this.#notes = [];
    this.#others = [];
    this.#reported = false;
  }

  #failure(type: TlsrptFailureType, reasonCode: string | null): TlsrptFailure {
    return {
      ...noFailureDetail,
      ...this.#connection,
      receivingMxHelo: this.#helo,
      type,
      reasonCode,
    };
  }

  #report(final: 'success' | 'failure', failures: readonly TlsrptFailure[]): boolean {
    const { domain, record, sinks } = this.#props;
    const policy = this.#policy;
    if (this.#reported || policy === null || this.#connection === null) {
      return false;
    }
    this.#reported = true;
    const results = [...this.#others, { policy, failures, final }];
    const event: TlsrptEvent = { domain, record, results };
    for (const sink of sinks) {
      sink.submit(event);
    }
    return true;
  }

  #log(status: 'success' | 'failure', more: string): void {
    const { receivingMxHostname: host, receivingIp: ip } = this.#connection ?? {};
    const receiver = `receiving_mx=${host}[${ip ?? 'unknown'}]`;
    this.#props.logger?.info(
      `TLSRPT: status=${status}, domain=${this.#props.domain}, ${receiver}${more}`,
    );
  }
}

/** What a certificate that was not accepted counts as. */
export interface CertificateFailure {
  readonly type: TlsrptFailureType;
  readonly reasonCode: string | null;
}

// X509_V_ERR_*: expired or bad notAfter.
const expired = new Set([10, 14]);
// Not yet valid, bad purpose, too long, issuer unknown or self-signed.
const notValid = new Set([2, 9, 13, 18, 19, 20, 22, 26]);

/** By Postfix's mapping; `trusted`: the chain was good and only no name matched. */
export function certificateFailure(
  error: VerifyError | null,
  trusted: boolean,
): CertificateFailure {
  if (trusted) {
    return { type: 'certificate-host-mismatch', reasonCode: null };
  }
  if (error !== null && expired.has(error.code)) {
    return { type: 'certificate-expired', reasonCode: null };
  }
  return error !== null && notValid.has(error.code)
    ? { type: 'validation-failure', reasonCode: error.text.replaceAll(' ', '_') }
    : { type: 'certificate-not-trusted', reasonCode: null };
}
