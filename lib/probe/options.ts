/** What a probe is asked for. */
import type { SmtpParameters } from '../config/options.js';
import type { DnsLookup } from '../dns/answer.js';
import type { NamedTable } from '../policy/find.js';
import type { PolicySettings } from '../policy/policy.js';
import type { StsFailure, StsPolicy } from '../sts/index.js';
import type { ClientSecurityLevel } from '../tls/levels.js';

export interface ProbeOptions {
  /** As a transport table has it: `example.com`, `[mx.example.com]` (no MX look-up), `example.com:587`. */
  readonly destination: string;
  /** Wins over `smtp.tls.securityLevel` and over tables; default: what these say. */
  readonly level?: ClientSecurityLevel;
  /** In the place of the names (`verify`, `secure`) or digests (`fingerprint`) that the parameters have. */
  readonly match?: readonly string[];
  /** Also of the TLSA records. Default: the destination's, or 25; 465 with `smtp.tls.wrappermode`. */
  readonly port?: number;
  /** Connects there whatever the addresses of the hosts are; all else is as for the destination. */
  readonly connect?: ConnectTo;
  /** All mail hosts; default: in order until one answers. */
  readonly allMx?: boolean;
  /** Connects a second time, with the session of the first. */
  readonly reconnect?: boolean;
  /** A {@link Resolver}; one on loopback that validates is what DANE needs. */
  readonly dns: DnsLookup;
  /** MTA-STS, from {@link MtaSts}; default: not asked. */
  readonly sts?: { policyFor(domain: string): Promise<StsPolicy | StsFailure | null> };
  /** Parameters of the smtp engine. */
  readonly smtp?: SmtpParameters;
  /** What policies depend on, where it differs from the parameters. */
  readonly settings?: Partial<PolicySettings>;
  /** `smtp_tls_policy_maps`; default: none. */
  readonly policyMaps?: readonly NamedTable[];
  /** File that gets the secrets of the sessions. */
  readonly keyLogFile?: string;
}

export interface ConnectTo {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}
