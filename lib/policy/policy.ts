/**
 * What a host is to be greeted with: the result of table look-up, defaults, MTA-STS and DNS, and the facts it is decided
 * upon.
 */
import type { TlsaRecord } from '../dns/answer.js';
import type { CipherGrade } from '../tls/ciphers.js';
import type { ClientSecurityLevel, TlsLevel } from '../tls/levels.js';

export type PolicySource = 'global' | 'table' | 'per-site' | 'sts' | 'tls-required-no';

export interface HostPolicy {
  /** Level after table, defaults and DNS-based changes (`halfdane` included): what the delivery record names first. */
  readonly level: TlsLevel;
  readonly source: PolicySource;
  /** Protocol specification. */
  readonly protocols: string;
  readonly ciphers: CipherGrade;
  /** All exclusions but those which the level forces. */
  readonly exclude: readonly string[];
  readonly sni: string | null;
  /**
   * verify, secure: names and `.suffixes` in A-label form; dane family: reference names for DANE-TA; fingerprint: digests;
   * under an MTA-STS policy that is only tested: the host, whose name is compared without consequence.
   */
  readonly match: readonly string[];
  /** Those that the policy has not rejected; dane family only. */
  readonly tlsa: readonly TlsaRecord[];
  readonly tlsaBase: string | null;
  readonly trustAnchorFiles: readonly string[];
  /** Ask for a raw public key. */
  readonly enableRpk: boolean;
  readonly connectionReuse: boolean;
  /** Verification is to fail with this reason (`policy_failure`). */
  readonly failure: string | null;
  /** Verification is to fail whatever the server presents: see `failure`, or no name can be checked. */
  readonly forcedFailure: boolean;
  /** Warnings of each session, to be logged behind `namaddrport: `. */
  readonly sessionWarnings: readonly string[];
  /** TLSRPT. */
  readonly policyType: 'sts' | 'no-policy-found' | 'tlsa' | null;
  readonly policyDomain: string | null;
  readonly policyStrings: readonly string[];
  readonly mxHostPatterns: readonly string[];
}

/** The host is skipped. */
export interface PolicyProblem {
  readonly kind: 'problem';
  /** Of the recipients, if no other host takes the message. */
  readonly dsn: string;
  readonly text: string;
  /** The line that says that the host is skipped, each time it is. */
  readonly warning: string | null;
  readonly levelKnown: TlsLevel | null;
  /** The MTA-STS policy that does not name the host, for TLSRPT; null: it is something else. */
  readonly sts: HostPolicy | null;
}

/** What is known of a host before it is connected to. Names without final dot, in A-label form but for `nexthop`. */
export interface PolicyFacts {
  /** As the agent was given it, `[ ]` and `:port` included; a pathname for `unix`. */
  readonly nexthop: string;
  readonly destination: 'inet' | 'unix';
  /** The server before CNAME expansion. */
  readonly host: string;
  /** The server after CNAME expansion; equals `host` if it is no alias. */
  readonly expandedName: string;
  readonly port: number;
  /** The address records of the host are signed, aliases included. */
  readonly addressSecure: boolean;
  readonly hadMxLookup: boolean;
  readonly mxSecure: boolean;
  /** The name that MX records were looked up for, and the one they were found at; null without MX records. */
  readonly mxName: string | null;
  readonly mxExpandedName: string | null;
  /** The message says `TLS-Required: no`, and nothing overrides it. */
  readonly tlsRequiredNo: boolean;
}

/** Settings of main.cf that policies depend on. */
export interface PolicySettings {
  readonly securityLevel: ClientSecurityLevel;
  readonly wrappermode: boolean;
  readonly servername: string;
  readonly protocols: string;
  readonly mandatoryProtocols: string;
  readonly ciphers: string;
  readonly mandatoryCiphers: string;
  readonly excludeCiphers: readonly string[];
  readonly mandatoryExcludeCiphers: readonly string[];
  readonly verifyCertMatch: readonly string[];
  readonly secureCertMatch: readonly string[];
  readonly fingerprintCertMatch: readonly string[];
  readonly trustAnchorFile: readonly string[];
  readonly enableRpk: boolean;
  /** `smtp_tls_connection_reuse`; default: no. */
  readonly connectionReuse?: boolean;
  readonly enforceStsMxPatterns: boolean;
  readonly daneInsecureMxPolicy: 'dane' | 'encrypt' | 'may';
  readonly forceInsecureHostTlsaLookup: boolean;
  readonly dnssec: boolean;
  readonly hostLookup: readonly string[];
  readonly ignoreMxLookupError: boolean;
  /** The resolver appends domains to names (RES_DEFNAMES, RES_DNSRCH). */
  readonly resolverAppendsDomains: boolean;
  readonly myhostname: string;
}

export function isProblem(result: HostPolicy | PolicyProblem): result is PolicyProblem {
  return 'kind' in result;
}

/**
 * MTA-STS in mode testing: mail goes as at level may, and TLSRPT gets what the policy would have refused (RFC 8461
 * section 5).
 */
export function isTested({ level, policyType }: Pick<HostPolicy, 'level' | 'policyType'>): boolean {
  return level === 'may' && policyType === 'sts';
}

/** A problem as Postfix words the warning about it. */
export function policyProblem(
  facts: Pick<PolicyFacts, 'nexthop' | 'host'>,
  text: string,
  levelKnown: TlsLevel | null = null,
  dsn = '4.7.5',
): PolicyProblem {
  const warning = `TLS policy lookup for ${facts.nexthop}/${facts.host}: ${text}`;
  return { kind: 'problem', dsn, text, warning, levelKnown, sts: null };
}

export const configurationProblem = 'client TLS configuration problem';
