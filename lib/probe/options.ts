/** What a probe is asked for. */
import type { SmtpParameters } from '../config/options.js';
import type { DnsLookup } from '../dns/answer.js';
import type { MtaSts } from '../sts/index.js';
import type { ClientSecurityLevel } from '../tls/levels.js';

export interface ProbeOptions {
  /** As a transport table has it: `example.com`, `[mx.example.com]` (no MX look-up), `example.com:587`. */
  readonly destination: string;
  /** Wins over `smtp.tls.securityLevel` and over tables; default: what these say, or `dane`. */
  readonly level?: ClientSecurityLevel;
  /** In the place of the names (`verify`, `secure`) or digests (`fingerprint`) that the parameters have. */
  readonly match?: readonly string[];
  /** Also of the TLSA records. Default: the destination's, or that of the parameters. */
  readonly port?: number;
  /** Connects there whatever the addresses of the hosts are; all else is as for the destination. */
  readonly connect?: ConnectTo;
  /** All mail hosts; default: in order until one answers. */
  readonly allMx?: boolean;
  /** Connects a second time, with the session of the first. */
  readonly reconnect?: boolean;
  /** A {@link Resolver}; one that validates, on a loopback address, is what DANE needs. */
  readonly dns: DnsLookup;
  /** {@link MtaSts}, for destinations that no table names and that have no DANE; default: not asked. */
  readonly sts?: Pick<MtaSts, 'policyFor'>;
  /** Parameters of the smtp engine; `dnsSupportLevel` is `dnssec` here unless it is given. */
  readonly smtp?: SmtpParameters;
  /** File that gets the secrets of the sessions. */
  readonly keyLogFile?: string;
}

export interface ConnectTo {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}
