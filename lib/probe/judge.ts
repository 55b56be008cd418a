/** What a delivery would make of a host: its policy, and of the connection to it. */
import type { Failure } from '../delivery/failure.js';
import { deferred } from '../delivery/failure.js';
import type { HostPolicy, PolicyFacts, PolicySettings } from '../policy/policy.js';
import { mustMatch, neverVerified, type TlsLevel, usesTls } from '../tls/levels.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { ProbeRecord } from './result.js';
import type { VisitResult } from './visit.js';

type Judgement = Pick<ProbeRecord, 'effectiveLevel' | 'outcome' | 'dsn' | 'reason'>;

export function judge(
  policy: HostPolicy,
  { tls, failure, starttls }: Pick<VisitResult, 'tls' | 'failure' | 'starttls'>,
): Judgement {
  const level = reachedLevel(policy.level, tls);
  const problem = failure ?? (tls === null ? null : unverified(level, tls));
  if (problem !== null) {
    return {
      effectiveLevel: level,
      outcome: 'defer',
      dsn: problem.dsn,
      reason: policy.failure === null ? problem.text : `${problem.text}: ${policy.failure}`,
    };
  }
  if (tls !== null) {
    return { effectiveLevel: level, outcome: 'ok', dsn: '2.0.0', reason: null };
  }
  const reason = starttls ? 'the server refuses STARTTLS' : 'the server does not offer STARTTLS';
  return {
    effectiveLevel: 'none',
    outcome: 'plaintext',
    dsn: '2.0.0',
    reason: usesTls(policy.level) ? reason : null,
  };
}

/** Records that the library cannot use leave encryption alone (RFC 7672, section 2.2). */
function reachedLevel(level: TlsLevel, tls: TlsSnapshot | null): TlsLevel {
  return tls?.tlsaFallback === true ? 'encrypt' : level;
}

function unverified(level: TlsLevel, { status, verifyError }: TlsSnapshot): Failure | null {
  const verified =
    status === 'Verified' || (neverVerified(level) && status === 'Trusted' && verifyError === null);
  return mustMatch(level) && !verified
    ? deferred('handshake', '4.7.5', 'Server certificate not verified')
    : null;
}

/** Why DNS made less of the level dane; null: it did not, or another level was asked for. */
export function whyLess(
  result: Pick<ProbeRecord, 'requestedLevel' | 'effectiveLevel' | 'tlsa'>,
  facts: PolicyFacts,
  settings: PolicySettings,
): string | null {
  const { requestedLevel, effectiveLevel, tlsa } = result;
  if (requestedLevel !== 'dane' || effectiveLevel === 'dane') {
    return null;
  }
  const usable = tlsa.some((record) => record.usable);
  const insecureMx = facts.hadMxLookup && !facts.mxSecure;
  if (insecureMx && (usable || settings.daneInsecureMxPolicy === 'may')) {
    return 'the MX records are not secure';
  }
  if (tlsa.length > 0) {
    return 'no TLSA record is usable';
  }
  return facts.addressSecure
    ? 'there are no secure TLSA records'
    : 'the addresses are not secure, hence no TLSA record can be';
}
