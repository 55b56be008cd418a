/**
 * TLSRPT (RFC 8460) of deliveries: who wants reports, and what a session has to report. `lib/tlsrpt` does the rest.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { ResolvedSmtp } from '../config/options.js';
import type { DnsLookup } from '../dns/answer.js';
import type { Logger } from '../log/logger.js';
import type { NativeNotice } from '../native.js';
import { type HostPolicy, isTested } from '../policy/policy.js';
import { type MtaSts, matchesMxPattern } from '../sts/index.js';
import type { TlsSnapshot } from '../snapshot.js';
import { isPkix, mustMatch, usesTls } from '../tls/levels.js';
import {
  type CertificateFailure,
  certificateFailure,
  lookUpTlsrptRecord,
  TlsrptAttempt,
  TlsrptCollector,
  type TlsrptConnection,
  type TlsrptFailureType,
  type TlsrptPolicy,
  type TlsrptSink,
} from '../tlsrpt/index.js';
import type { Nexthop } from './nexthop.js';

export interface TlsrptReportingProps {
  readonly options: ResolvedSmtp;
  readonly dns: DnsLookup;
  readonly logger: Logger;
  /** Of the caller, beside the collector of `smtp_tlsrpt_socket_name`. */
  readonly sinks: readonly TlsrptSink[];
}

export class TlsrptReporting {
  readonly #props: TlsrptReportingProps;
  readonly #sinks: readonly TlsrptSink[];

  constructor(props: TlsrptReportingProps) {
    this.#props = props;
    const active = isActive(props);
    this.#sinks = active ? [...props.sinks, ...collectors(props)] : [];
  }

  /** Somebody wants to know. */
  get active(): boolean {
    return this.#sinks.length > 0;
  }

  /** For the connections to the hosts of a next hop; null: nobody wants to know. */
  async attempt(nexthop: Nexthop, tlsRequiredNo: boolean): Promise<TlsrptAttempt | null> {
    if (!this.active || tlsRequiredNo || isIP(nexthop.name) !== 0) {
      return null;
    }
    const { dns, logger, options } = this.#props;
    const domain = domainToASCII(nexthop.name);
    const record = domain === '' ? null : await lookUpTlsrptRecord(domain, dns, logger);
    if (record === null) {
      return null;
    }
    return new TlsrptAttempt({
      domain,
      record: record.text,
      sinks: this.#sinks,
      logger,
      skipReusedHandshakes: options.tlsrptSkipReusedHandshakes,
    });
  }
}

/** The level of main.cf counts: tables alone do not make a sender one that reports. */
function isActive({ options, sinks, logger }: TlsrptReportingProps): boolean {
  const wanted = options.tlsrptEnable || sinks.length > 0;
  if (wanted && options.dnsSupportLevel === 'disabled') {
    logger.warn('smtp_tlsrpt_enable requires DNS lookups: TLSRPT is disabled');
    return false;
  }
  return wanted && usesTls(options.tls.securityLevel);
}

function collectors({ options, sinks, logger }: TlsrptReportingProps): readonly TlsrptSink[] {
  const { tlsrptEnable, tlsrptSocketName: socketName } = options;
  if (!tlsrptEnable) {
    return [];
  }
  if (socketName === '') {
    if (sinks.length === 0) {
      logger.warn('smtp_tlsrpt_enable requires smtp_tlsrpt_socket_name: TLSRPT is disabled');
    }
    return [];
  }
  return [new TlsrptCollector({ socketName, logger })];
}

/** What sessions with a host are held against. */
function tlsrptPolicy(policy: HostPolicy, domain: string): TlsrptPolicy {
  const { policyType, policyDomain, policyStrings, mxHostPatterns } = policy;
  return {
    type: policyType ?? 'no-policy-found',
    domain: policyDomain ?? domain,
    strings: policyStrings,
    mxHostPatterns,
  };
}

/** Nothing that RFC 8460 (section 4.3) has a result for: the general one. */
const mxNotInPolicy: CertificateFailure = {
  type: 'validation-failure',
  reasonCode: 'MX-host-not-in-policy',
};

/** What sessions with a host report to. */
export interface HostReport {
  readonly attempt: TlsrptAttempt;
  /** An MTA-STS policy that cannot be had, where the host is greeted without one. */
  readonly missingSts: { readonly policy: TlsrptPolicy; readonly type: TlsrptFailureType } | null;
}

/** Begins the report of a host. */
export async function hostReport(
  attempt: TlsrptAttempt,
  policy: HostPolicy,
  domain: string,
  sts: MtaSts | null,
): Promise<HostReport> {
  attempt.setPolicy(tlsrptPolicy(policy, domain));
  const asked = sts !== null && policy.source === 'global' && policy.level === 'may';
  const failure = asked ? await sts.policyFor(domain) : null;
  if (failure?.kind !== 'failure') {
    return { attempt, missingSts: null };
  }
  const missing: TlsrptPolicy = { type: 'sts', domain, strings: [], mxHostPatterns: [] };
  return { attempt, missingSts: { policy: missing, type: failure.type } };
}

/** A host that an MTA-STS policy does not name is skipped: no connection, and nothing else to tell of it. */
export function reportSkipped(
  attempt: TlsrptAttempt,
  sts: HostPolicy,
  domain: string,
  host: string,
): void {
  attempt.skipped(tlsrptPolicy(sts, domain), host, mxNotInPolicy);
}

/** A connection to the host stands. */
export function reportConnection(
  { attempt, missingSts }: HostReport,
  connection: TlsrptConnection,
): void {
  attempt.setConnection(connection);
  if (missingSts !== null) {
    attempt.also(missingSts.policy, 'failure', missingSts.type);
  }
}

/** Records, fingerprints or anchors of which none can be used. */
export function reportUnusable(
  attempt: TlsrptAttempt,
  policy: HostPolicy,
  notices: readonly NativeNotice[],
): void {
  if (!notices.some(({ kind }) => kind === 'tlsa-none' || kind === 'tlsa-fallback')) {
    return;
  }
  if (policy.level === 'fingerprint') {
    attempt.failure('validation-failure', 'all-fingerprints-unusable');
  } else if (isPkix(policy.level)) {
    attempt.failure('validation-failure', 'all-trust-anchors-unusable');
  } else {
    attempt.failure('tlsa-invalid', 'all-TLSA-records-unusable');
  }
}

/** What is wrong with the chain of a server that has to be matched; a wrong name is reported when it decides. */
export function reportCertificate(
  attempt: TlsrptAttempt,
  policy: HostPolicy,
  { verifyError, status, resumed }: TlsSnapshot,
): void {
  if (!mustMatch(policy.level) || verifyError === null || resumed || status === 'Trusted') {
    return;
  }
  if (policy.failure !== null) {
    attempt.failure(policy.failure as TlsrptFailureType);
    return;
  }
  const { type, reasonCode } = certificateFailure(verifyError, false);
  attempt.failure(type, reasonCode);
}

/** The server is not accepted, and nothing more specific has been said. */
export function reportUnauthenticated(attempt: TlsrptAttempt, { status }: TlsSnapshot): void {
  attempt.failure(status === 'Trusted' ? 'certificate-host-mismatch' : 'certificate-not-trusted');
}

/** STARTTLS is not offered, or refused. */
export function reportNoStarttls(attempt: TlsrptAttempt, policy: HostPolicy, host: string): void {
  for (const { type, reasonCode } of strangeHost(policy, host)) {
    attempt.note(type, reasonCode);
  }
  attempt.failure('starttls-not-supported');
}

/** What a policy that is only tested would have refused. */
export function reportTested(
  attempt: TlsrptAttempt,
  policy: HostPolicy,
  host: string,
  snapshot: TlsSnapshot,
): void {
  if (isTested(policy)) {
    const failures = [...strangeHost(policy, host), ...badCertificate(policy, snapshot)];
    attempt.tested(snapshot.resumed, failures);
  }
}

/** Under a policy that is only tested: an MX host that it does not name. */
function strangeHost(policy: HostPolicy, host: string): readonly CertificateFailure[] {
  return !isTested(policy) || matchesMxPattern(host, policy.mxHostPatterns) ? [] : [mxNotInPolicy];
}

function badCertificate(
  { failure }: HostPolicy,
  { status, verifyError, certificateType }: TlsSnapshot,
): readonly CertificateFailure[] {
  if (failure !== null) {
    return [{ type: failure as TlsrptFailureType, reasonCode: null }];
  }
  const good = verifyError === null && certificateType === 'x509';
  return good ? [] : [certificateFailure(verifyError, status === 'Trusted')];
}
