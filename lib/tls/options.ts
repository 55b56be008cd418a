/**
 * TLS options of the engines: one field per parameter of the groups `smtpd_tls_*`, `smtp_tls_*` and `tls_*`.
 *
 * The rule is mechanical: the prefix goes and the rest becomes camel case: `smtpd_tls_chain_files` is
 * `tls.chainFiles`, `smtpd_tls_CAfile` is `tls.CAfile`, `tls_preempt_cipherlist` is `tls.preemptCipherlist`. Defaults
 * are in the parameter table (`lib/config`); a test keeps table and interfaces in step.
 */
import type { CipherGrade } from './ciphers.js';
import type { ClientSecurityLevel, ServerSecurityLevel } from './levels.js';

/** A loglevel: a number, or words as in `smtpd_tls_loglevel`. */
export type Loglevel = number | string;

/** What both engines share: the `tls_*` parameters. */
export interface TlsLibraryOptions {
  /**
   * `tls_config_file`: `none` (default), `default` (the system's openssl.cnf), or the absolute path of an OpenSSL
   * configuration file that must load. One per process; a second, different one is an error.
   */
  readonly configFile?: string;
  /** `tls_config_name`: OpenSSL application name, which selects a section of the configuration file. */
  readonly configName?: string;
  /** `tls_high_cipherlist`: base list of grade `high`. */
  readonly highCipherlist?: string;
  /** `tls_medium_cipherlist`: base list of grade `medium`. */
  readonly mediumCipherlist?: string;
  /** `tls_null_cipherlist`: base list of grade `null`. */
  readonly nullCipherlist?: string;
  /** `tls_eecdh_auto_curves`: key exchange groups; empty (default) leaves them to OpenSSL and the configuration file. */
  readonly eecdhAutoCurves?: readonly string[];
  /** `tls_ffdhe_auto_groups`: finite-field groups, appended to `eecdhAutoCurves`. */
  readonly ffdheAutoGroups?: readonly string[];
  /** `tls_disable_workarounds`: names or hexadecimal bits of work-arounds for bugs of others to switch off. */
  readonly disableWorkarounds?: string;
  /** `tls_ssl_options`: names or hexadecimal bits of further options of the library. */
  readonly sslOptions?: string;
  /** `tls_fast_shutdown_enable`: our end of the connection does not wait for the peer's close-notify. */
  readonly fastShutdownEnable?: boolean;
  /** `tls_trace_rate_limit`: protocol traces in a minute, all engines of the process together; 0 for no limit. */
  readonly traceRateLimit?: number;
  /** `tls_preempt_cipherlist`: the server's order of ciphers wins. */
  readonly preemptCipherlist?: boolean;
  /** `tls_append_default_CA`: also trust the library's default roots; only beside `CAfile` or `CApath`. */
  readonly appendDefaultCA?: boolean;
  /** `tls_session_ticket_cipher`: a CBC cipher with an IV of 16 bytes; empty: no tickets. Servers only. */
  readonly sessionTicketCipher?: string;
  /** `tls_dane_digests`: digests of TLSA records that are usable, strongest first: `sha512`, `sha256`, `name=number`; clients only. */
  readonly daneDigests?: readonly string[];
  /** `tls_server_sni_maps`: tables, `type:name` each, with the chains of server names that clients ask for; servers only. */
  readonly serverSniMaps?: readonly string[];
  /** `tls_trust_server_ccerts`: server: client certificates may be for servers only (extended key usage). */
  readonly trustServerCcerts?: boolean;
}

/** Legacy names of files with keys and certificates; without effect where there are `chainFiles`. Any three algorithms. */
export interface LegacyChainOptions {
  /** `smtpd_tls_cert_file`, `smtp_tls_cert_file`: a certificate with its issuers; `none` in a server: there is to be none. */
  readonly certFile?: string;
  /** `*_tls_key_file`: its private key; default: in `certFile`. */
  readonly keyFile?: string;
  /** `*_tls_dcert_file`: a certificate of another algorithm. */
  readonly dcertFile?: string;
  /** `*_tls_dkey_file`: its private key; default: in `dcertFile`. */
  readonly dkeyFile?: string;
  /** `*_tls_eccert_file`: a certificate of a third algorithm. */
  readonly eccertFile?: string;
  /** `*_tls_eckey_file`: its private key; default: in `eccertFile`. */
  readonly eckeyFile?: string;
}

/** TLS of the smtpd engine: `smtpd_tls_*` and `tls_*`. */
export interface SmtpdTlsOptions extends TlsLibraryOptions, LegacyChainOptions {
  /** `smtpd_tls_security_level`: `none` (default), `may` (STARTTLS is offered), `encrypt` (and required). */
  readonly securityLevel?: ServerSecurityLevel;
  /** `smtpd_tls_chain_files`: files of private keys, each followed by its certificate and issuers. */
  readonly chainFiles?: readonly string[];
  /** `smtpd_tls_wrappermode`: TLS from the first byte (port 465). */
  readonly wrappermode?: boolean;
  /** `smtpd_tls_auth_only`: no AUTH outside TLS; mandatory TLS implies it. */
  readonly authOnly?: boolean;
  /** `smtpd_tls_loglevel` */
  readonly loglevel?: Loglevel;
  /**
   * `smtpd_tls_loglevel_maps`: tables, `type:name` each, with the loglevel of single clients, by name, then by address; `DUNNO` ends the
   * search. With wrappermode they can take `trace` away and not add it.
   */
  readonly loglevelMaps?: readonly string[];
  /**
   * `smtpd_tls_protocols`: protocol range where TLS is optional, such as `>=TLSv1.2`. Empty leaves the bounds to the
   * OpenSSL configuration file; that is the default beside a private `configFile`.
   */
  readonly protocols?: string;
  /** `smtpd_tls_mandatory_protocols`: the same where TLS is mandatory. */
  readonly mandatoryProtocols?: string;
  /** `smtpd_tls_ciphers`: grade where TLS is optional. */
  readonly ciphers?: CipherGrade;
  /** `smtpd_tls_mandatory_ciphers`: grade where TLS is mandatory. */
  readonly mandatoryCiphers?: CipherGrade;
  /** `smtpd_tls_exclude_ciphers` */
  readonly excludeCiphers?: readonly string[];
  /** `smtpd_tls_mandatory_exclude_ciphers`: in addition where TLS is mandatory. */
  readonly mandatoryExcludeCiphers?: readonly string[];
  /** `smtpd_tls_dh1024_param_file`: PEM file of Diffie-Hellman parameters; empty (default) or `auto`: the library's. */
  readonly dh1024ParamFile?: string;
  /** `smtpd_tls_session_cache_database`: sessions of clients without tickets: `memory:`, `lmdb:FILE`; empty (default): none. */
  readonly sessionCacheDatabase?: string;
  /** `smtpd_tls_session_cache_timeout`: milliseconds, half the time that a client may resume a session; 0: no tickets. */
  readonly sessionCacheTimeout?: number;
  /** `smtpd_tls_always_issue_session_ids`: session ids in TLS 1.2, though nothing is cached. */
  readonly alwaysIssueSessionIds?: boolean;
  /** `smtpd_tls_trace_size_limit`: largest protocol trace of a session in bytes, with `trace` in `loglevel`; 0 for none. */
  readonly traceSizeLimit?: number;
  /** `smtpd_tls_received_header`: TLS details in the Received: header. */
  readonly receivedHeader?: boolean;
  /** `smtpd_tls_fingerprint_digest`: digest of fingerprints. */
  readonly fingerprintDigest?: string;
  /** `smtpd_tls_ask_ccert`: ask for a client certificate; none is fine. */
  readonly askCcert?: boolean;
  /** `smtpd_tls_req_ccert`: require a trusted client certificate; under mandatory TLS only. */
  readonly reqCcert?: boolean;
  /** `smtpd_tls_CAfile`: file of roots for client certificates. */
  readonly CAfile?: string;
  /** `smtpd_tls_CApath`: hashed directory of roots. */
  readonly CApath?: string;
  /** `smtpd_tls_ccert_verifydepth`: how many intermediate CA certificates a client's chain may have; one more is let through. */
  readonly ccertVerifydepth?: number;
  /** `smtpd_tls_enable_rpk`: accept raw public keys from clients (RFC 7250). */
  readonly enableRpk?: boolean;
}

/** TLS of the smtp engine: `smtp_tls_*` and `tls_*`. */
export interface SmtpTlsOptions extends TlsLibraryOptions, LegacyChainOptions {
  /** `smtp_tls_security_level`: what is asked of servers that no table names; default `may`. */
  readonly securityLevel?: ClientSecurityLevel;
  /** `smtp_tls_chain_files`: client keys with their certificate chains. */
  readonly chainFiles?: readonly string[];
  /** `smtp_tls_wrappermode`: TLS from the first byte; needs level `encrypt` or stronger. */
  readonly wrappermode?: boolean;
  /** `smtp_tls_loglevel` */
  readonly loglevel?: Loglevel;
  /**
   * `smtp_tls_loglevel_maps`: tables, `type:name` each, with the loglevel of single servers, by name, then by address; `DUNNO` ends the
   * search.
   */
  readonly loglevelMaps?: readonly string[];
  /**
   * `smtp_tls_protocols`: protocol range at level `may`, such as `>=TLSv1.2`. Empty leaves the bounds to the OpenSSL
   * configuration file; that is the default beside a private `configFile`.
   */
  readonly protocols?: string;
  /** `smtp_tls_mandatory_protocols`: protocol range above `may`. */
  readonly mandatoryProtocols?: string;
  /** `smtp_tls_ciphers`: grade at level `may`. */
  readonly ciphers?: CipherGrade;
  /** `smtp_tls_mandatory_ciphers`: grade above `may`. */
  readonly mandatoryCiphers?: CipherGrade;
  /** `smtp_tls_exclude_ciphers` */
  readonly excludeCiphers?: readonly string[];
  /** `smtp_tls_mandatory_exclude_ciphers`: in addition above `may`. */
  readonly mandatoryExcludeCiphers?: readonly string[];
  /** `smtp_tls_trace_size_limit`: largest protocol trace of a session in bytes, with `trace` in `loglevel`; 0 for none. */
  readonly traceSizeLimit?: number;
  /** `smtp_tls_fingerprint_digest`: digest of fingerprints. */
  readonly fingerprintDigest?: string;
  /** `smtp_tls_CAfile`: file of roots for server certificates. */
  readonly CAfile?: string;
  /** `smtp_tls_CApath`: hashed directory of roots. */
  readonly CApath?: string;
  /** `smtp_tls_scert_verifydepth`: how many CA certificates a server's chain may have. */
  readonly scertVerifydepth?: number;
  /** `smtp_tls_enable_rpk`: ask servers for a raw public key (RFC 7250). */
  readonly enableRpk?: boolean;
  /** `smtp_tls_servername`: server name to send: a host name, `hostname` or `nexthop`; empty (default) for none. */
  readonly servername?: string;
  /** `smtp_tls_session_cache_database`: where sessions with servers are kept: `memory:`; empty (default): nowhere. */
  readonly sessionCacheDatabase?: string;
  /** `smtp_tls_session_cache_timeout`: milliseconds that they are kept; 0: not at all. */
  readonly sessionCacheTimeout?: number;
  /** `smtp_tls_connection_reuse`: a connection waits a while for the next message to the same server. */
  readonly connectionReuse?: boolean;
  /** `smtp_tls_policy_maps`: tables, `type:name` each, with level and attributes of single destinations. */
  readonly policyMaps?: readonly string[];
  /** `smtp_tls_per_site`: tables of the form that came before those. */
  readonly perSite?: readonly string[];
  /** `smtp_tls_note_starttls_offer`: log the servers that offer STARTTLS while the level is none. */
  readonly noteStarttlsOffer?: boolean;
  /** `smtp_tls_trust_anchor_file`: PEM files of trust anchors instead of the CAs, at levels `verify` and `secure`. */
  readonly trustAnchorFile?: readonly string[];
  /** `smtp_tls_verify_cert_match`: strategies for the names of a certificate at level `verify`. */
  readonly verifyCertMatch?: readonly string[];
  /** `smtp_tls_secure_cert_match`: the same at level `secure`. */
  readonly secureCertMatch?: readonly string[];
  /** `smtp_tls_fingerprint_cert_match`: fingerprints at level `fingerprint`. */
  readonly fingerprintCertMatch?: readonly string[];
  /** `smtp_tls_dane_insecure_mx_policy`: level `dane` where the MX records are not signed and those of the host are. */
  readonly daneInsecureMxPolicy?: 'dane' | 'encrypt' | 'may';
  /** `smtp_tls_force_insecure_host_tlsa_lookup`: look for TLSA records of hosts without signed addresses, too. */
  readonly forceInsecureHostTlsaLookup?: boolean;
  /** `tls_required_enable`: heed the header `TLS-Required: no` of a message. */
  readonly requiredEnable?: boolean;
  /** `smtp_tls_enforce_sts_mx_patterns`: skip hosts that the MX patterns of an MTA-STS policy do not name. */
  readonly enforceStsMxPatterns?: boolean;
}

/** Options that keep their absence: one library configuration serves the whole process, whoever asks for it first. */
type ProcessWide = 'configFile' | 'configName';

type WithDefaults<Options> = Required<Omit<Options, ProcessWide>> &
  Pick<TlsLibraryOptions, ProcessWide>;

/** {@link SmtpdTlsOptions} with every default filled in. */
export type ResolvedSmtpdTls = WithDefaults<SmtpdTlsOptions>;

/** {@link SmtpTlsOptions} with every default filled in. */
export type ResolvedSmtpTls = WithDefaults<SmtpTlsOptions>;
