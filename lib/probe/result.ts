/**
 * What a probe found out about one mail host: {@link ProbeRecord} is what `mxtls probe --json` prints, {@link ProbeResult}
 * has more, for people.
 */
import type { DnsFailure } from '../dns/answer.js';
import type { PeerCertificate } from '../native.js';
import type { PolicySource } from '../policy/policy.js';
import { levelNumber, type TlsLevel } from '../tls/levels.js';
import type { MatchInfo, TlsSnapshot, TlsStatus } from '../snapshot.js';

/** `bogus`: a validating resolver refuses it. */
export type Security = 'secure' | 'insecure' | 'bogus';

/**
 * `ok`: a delivery would go on, in TLS. `plaintext`: it would, without. `defer`: it would not, `dsn` and `reason` tell.
 * `skip`: the host is not connected to, because of the policy or of DNS.
 */
export type ProbeOutcome = 'ok' | 'defer' | 'skip' | 'plaintext';

/** A TLSA record of the host. */
export interface ProbedTlsa {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  /** Hex, lower case. */
  readonly data: string;
  /** It counts: usage 2 or 3, and selector, matching type and length that the library knows. */
  readonly usable: boolean;
}

export interface ProbeRecord {
  /** As it was given. */
  readonly destination: string;
  /** Name of the host; null where none was found. */
  readonly mx: string | null;
  /** Of the MX records, or of their absence; null where they were not asked for, or not to be had. */
  readonly mxSecurity: Security | null;
  /** The address that was connected to; null: none. */
  readonly address: string | null;
  /** Of the host's address records; null for a literal address, and where they are not to be had. */
  readonly addressSecurity: Security | null;
  /** The name that has the TLSA records; null where there are none or none was asked for. */
  readonly tlsaBase: string | null;
  readonly tlsa: readonly ProbedTlsa[];
  /** What the command line, a table or main.cf asks for; null where the policy cannot be used. */
  readonly requestedLevel: TlsLevel | null;
  /** What DNS, MTA-STS and the server made of it, `halfdane` and `none` among it; null where the policy is undecided. */
  readonly effectiveLevel: TlsLevel | null;
  /** Null without TLS. */
  readonly status: TlsStatus | null;
  readonly tls: TlsSnapshot | null;
  /** What the server's credential was matched by; null where nothing did or nothing had to. */
  readonly matched: MatchInfo | null;
  readonly outcome: ProbeOutcome;
  /** Enhanced status code that recipients would get from this host; `2.0.0` where mail would be sent. */
  readonly dsn: string;
  /** Why it is no `ok`, or why the effective level is not the requested one; null: all is as requested. */
  readonly reason: string | null;
}

/** What MTA-STS said. */
export interface ProbedSts {
  /** `none`: no policy. */
  readonly kind: 'policy' | 'failure' | 'none';
  /** Its mode, or what is wrong. */
  readonly text: string;
  readonly mx: readonly string[];
  /** Seconds; 0 without a policy. */
  readonly maxAge: number;
}

export interface ProbeResult extends ProbeRecord {
  /** Of the destination. */
  readonly port: number;
  /** `host[address]:port`; null where nothing was connected to. */
  readonly namaddr: string | null;
  /** Of the MX record; null without one. */
  readonly preference: number | null;
  /** The host's name after aliases; null: it is no alias. */
  readonly alias: string | null;
  /** Where TLSA records were looked for, in order, and what came of it. */
  readonly lookups: readonly ProbedLookup[];
  /** Where the policy came from, and its level before the server had its say; null where it is not to be had. */
  readonly source: PolicySource | null;
  readonly policyLevel: TlsLevel | null;
  /** Names or digests that the policy accepts; for DANE those of trust anchors. */
  readonly match: readonly string[];
  readonly sni: string | null;
  /** Null where it was not asked for. */
  readonly sts: ProbedSts | null;
  /** What the server sent, its own first. */
  readonly chain: readonly PeerCertificate[];
  /** Why it is not believed, at any level; a delivery logs it where that matters. */
  readonly verification: readonly string[];
  /** The second connection's session; null where none was asked for, or there was none. */
  readonly resumption: Resumption | null;
  /** What a delivery would have logged: warnings, failures, of `verification` what matters. */
  readonly notes: readonly string[];
}

export interface ProbedLookup {
  readonly name: string;
  readonly type: 'TLSA' | 'CNAME';
  /** `none`: there are no records. */
  readonly kind: 'found' | 'none' | DnsFailure['reason'];
  readonly secure: boolean;
}

/** `declined`: the server made a new session. `unavailable`: it gave none that could be offered, or no second answer. */
export interface Resumption {
  readonly kind: 'resumed' | 'declined' | 'unavailable';
  readonly tls: TlsSnapshot | null;
  readonly reason: string | null;
}

/** Whether the requested level was reached, or a stronger one: plaintext satisfies `none` only. */
export function isSatisfied(result: ProbeRecord): boolean {
  const { outcome, requestedLevel, effectiveLevel } = result;
  return (
    (outcome === 'ok' || outcome === 'plaintext') &&
    requestedLevel !== null &&
    effectiveLevel !== null &&
    levelNumber(effectiveLevel) >= levelNumber(requestedLevel)
  );
}

/** The fields of `--json`, in order. */
export function probeRecord(result: ProbeRecord): ProbeRecord {
  const { destination, mx, mxSecurity, address, addressSecurity, tlsaBase, tlsa } = result;
  const { requestedLevel, effectiveLevel, status, tls, matched, outcome, dsn, reason } = result;
  return {
    ...{ destination, mx, mxSecurity, address, addressSecurity, tlsaBase, tlsa },
    ...{ requestedLevel, effectiveLevel, status, tls, matched, outcome, dsn, reason },
  };
}
