/**
 * From the policy of a host to what a session does: its properties, whether the server has proved itself, and whether
 * two policies are one to a connection. Pure.
 */
import type { TlsaRecord } from '../dns/answer.js';
import type { StartTlsProps } from '../native.js';
import type { HostPolicy } from '../policy/policy.js';
import type { TlsSnapshot } from '../snapshot.js';
import { type ClientSessionProps, clientTlsProps } from '../tls/client-context.js';
import { isDaneBased, mustMatch, neverVerified, type TlsLevel } from '../tls/levels.js';
import type { ResolvedSmtpTls } from '../tls/options.js';
import { peerAuth } from '../tls/peer-auth.js';

export type PeerSessionProps = Pick<
  ClientSessionProps,
  'timeout' | 'deadline' | 'trace' | 'warn' | 'session'
>;

/**
 * What `startTls` wants for a session with a host that has this policy.
 *
 * @throws TlsError `INVALID_PARAMETER` for a level that has nothing to match by; policies of `PolicyResolver` have
 */
export function peerTlsProps(
  policy: HostPolicy,
  options: ResolvedSmtpTls,
  session: PeerSessionProps,
): StartTlsProps {
  const { level, protocols, ciphers, exclude, sni } = policy;
  return clientTlsProps(options, {
    ...session,
    level,
    // Keywords are replaced already: the server name is the one to send.
    ...{ host: '', nexthop: '' },
    policy: { protocols, ciphers, exclude, servername: sni ?? '' },
    auth: isCompared(policy) || policy.enableRpk || options.enableRpk ? auth(policy) : null,
  });
}

/** Something is compared, with consequences or, under a policy that is only tested, without. */
function isCompared({ level, match }: HostPolicy): boolean {
  return mustMatch(level) || match.length > 0;
}

function auth(policy: HostPolicy): StartTlsProps['auth'] {
  const { level, match, tlsa, trustAnchorFiles, enableRpk, forcedFailure } = policy;
  const native = peerAuth(level, {
    ...(level === 'fingerprint' ? { fingerprints: match } : { names: match }),
    tlsa: tlsa.toSorted(inOneOrder),
    trustAnchorFiles,
    enableRpk,
    forcedFailure,
  });
  if (!mustMatch(level)) {
    return { ...native, names: match };
  }
  // The policy knows which records can be loaded; where none can, the session is encrypted as at level encrypt.
  return isDaneBased(level) ? { ...native, requestRpk: enableRpk } : native;
}

/** DNS answers have no order, and sessions are tied to the records as they are given: the same set is to be the same. */
function inOneOrder(a: TlsaRecord, b: TlsaRecord): number {
  return (
    a.usage - b.usage ||
    a.selector - b.selector ||
    a.matchingType - b.matchingType ||
    a.data.compare(b.data)
  );
}

/** The level that a session has reached: without one usable TLSA record that of encryption alone. */
export function effectiveLevel(requested: TlsLevel, snapshot: TlsSnapshot): TlsLevel {
  return snapshot.tlsaFallback ? 'encrypt' : requested;
}

/** The server is who it has to be at this level, the effective one. */
export function isAuthenticated(level: TlsLevel, snapshot: TlsSnapshot): boolean {
  return !mustMatch(level) || isMatched(level, snapshot);
}

/** Something was matched: what AUTH may rely upon. Under unsigned MX records a match is called Trusted. */
export function isMatched(level: TlsLevel, { status, verifyError }: TlsSnapshot): boolean {
  return (
    status === 'Verified' || (neverVerified(level) && status === 'Trusted' && verifyError === null)
  );
}

const keys = new WeakMap<HostPolicy, string>();

/** Equal for policies that ask the same of a connection. */
export function policyKey(policy: HostPolicy): string {
  const known = keys.get(policy);
  if (known !== undefined) {
    return known;
  }
  const { level, protocols, ciphers, exclude, sni, match, tlsa, trustAnchorFiles } = policy;
  const records = tlsa
    .toSorted(inOneOrder)
    .map((record) => [
      record.usage,
      record.selector,
      record.matchingType,
      record.data.toString('hex'),
    ]);
  const key = JSON.stringify([
    ...[level, protocols, ciphers, exclude, sni, match, records, trustAnchorFiles],
    ...[policy.enableRpk, policy.forcedFailure],
  ]);
  keys.set(policy, key);
  return key;
}
