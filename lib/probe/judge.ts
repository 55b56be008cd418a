/** What a delivery would make of a host: its policy, and of the connection to it. */
import { effectiveLevel } from '../delivery/peer.js';
import type { HostPolicy, PolicyFacts, PolicySettings } from '../policy/policy.js';
import { usesTls } from '../tls/levels.js';
import type { ProbeRecord } from './result.js';
import type { VisitResult } from './visit.js';

type Judgement = Pick<ProbeRecord, 'effectiveLevel' | 'outcome' | 'dsn' | 'reason'>;

export function judge(
  { level, failure: policyFailure }: HostPolicy,
  { tls, failure, starttls }: Pick<VisitResult, 'tls' | 'failure' | 'starttls'>,
): Judgement {
  const reached = tls === null ? level : effectiveLevel(level, tls);
  if (failure !== null) {
    const { dsn, text } = failure;
    const reason = policyFailure === null ? text : `${text}: ${policyFailure}`;
    return { effectiveLevel: reached, outcome: 'defer', dsn, reason };
  }
  if (tls !== null) {
    return { effectiveLevel: reached, outcome: 'ok', dsn: '2.0.0', reason: null };
  }
  const reason = starttls ? 'the server refuses STARTTLS' : 'the server does not offer STARTTLS';
  return {
    effectiveLevel: 'none',
    outcome: 'plaintext',
    dsn: '2.0.0',
    reason: usesTls(level) ? reason : null,
  };
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
