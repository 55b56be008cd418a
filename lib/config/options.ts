/**
 * The typed options of the engines outside TLS: one field per parameter, named after it.
 *
 * The prefix `smtpd_` or `smtp_` goes, the rest becomes camel case: `smtpd_recipient_limit` is `recipientLimit`; the
 * TLS parameters are the fields of `tls`. Times are milliseconds, sizes are bytes. The classes add their callbacks.
 */
import type {
  ResolvedSmtpdTls,
  ResolvedSmtpTls,
  SmtpdTlsOptions,
  SmtpTlsOptions,
} from '../tls/options.js';

export type {
  LegacyChainOptions,
  Loglevel,
  SmtpdTlsOptions,
  SmtpTlsOptions,
  TlsLibraryOptions,
} from '../tls/options.js';

/** Parameters of the smtpd engine outside `tls`; the class adds its callbacks. */
export interface SmtpdParameters {
  /** `myhostname`: the name in greeting, replies and Received: headers; default: the machine's. */
  readonly myhostname?: string;
  readonly tls?: SmtpdTlsOptions;
  /** `mail_name`: name of the software in greeting and Received: headers. */
  readonly mailName?: string;
  /** `smtpd_banner`: text after `220`; begins with the name of the host. */
  readonly banner?: string;
  /** `smtpd_timeout`: milliseconds for each read or write. */
  readonly timeout?: number;
  /** `smtpd_starttls_timeout`: milliseconds for each wait of a handshake or TLS shutdown. */
  readonly starttlsTimeout?: number;
  /** `smtpd_per_request_deadline`: the time limits are for a whole command and its reply. */
  readonly perRequestDeadline?: boolean;
  /** `smtpd_min_data_rate`: bytes per second of content that extend the deadline. */
  readonly minDataRate?: number;
  /** `message_size_limit`: bytes; 0 is no limit. */
  readonly messageSizeLimit?: number;
  /** `smtpd_recipient_limit`: recipients of one message. */
  readonly recipientLimit?: number;
  /** `smtpd_recipient_overshoot_limit`: recipients over the limit before each further one is an error. */
  readonly recipientOvershootLimit?: number;
  /** `line_length_limit`: longest command line in bytes. */
  readonly lineLengthLimit?: number;
  /** `smtpd_soft_error_limit`: errors before replies to errors are delayed. */
  readonly softErrorLimit?: number;
  /** `smtpd_hard_error_limit`: errors before the client is disconnected. */
  readonly hardErrorLimit?: number;
  /** `smtpd_error_sleep_time`: milliseconds of that delay. */
  readonly errorSleepTime?: number;
  /** `smtpd_junk_command_limit`: NOOP, VRFY, ETRN and RSET between two messages before each further one is an error. */
  readonly junkCommandLimit?: number;
  /** `smtpd_client_connection_count_limit`: simultaneous connections of one client address; 0 is no limit. */
  readonly clientConnectionCountLimit?: number;
  /** `smtpd_client_event_limit_exceptions`: networks of clients without such a limit. */
  readonly clientEventLimitExceptions?: readonly string[];
  /** `smtpd_client_new_tls_session_rate_limit`: full handshakes of one client address in `anvilRateTimeUnit`; 0 is no limit. */
  readonly clientNewTlsSessionRateLimit?: number;
  /** `anvil_rate_time_unit`: milliseconds over which rates of clients are counted. */
  readonly anvilRateTimeUnit?: number;
  /** `smtpd_forbid_bare_newline`: what becomes of lines that end in a bare LF. */
  readonly forbidBareNewline?: 'normalize' | 'reject' | 'note' | 'no';
  /** `smtpd_forbid_bare_newline_reject_code` */
  readonly forbidBareNewlineRejectCode?: number;
  /** `smtpd_forbid_bare_newline_exclusions`: networks of clients that may send bare LFs. */
  readonly forbidBareNewlineExclusions?: readonly string[];
  /** `smtpd_forbid_unauth_pipelining`: disconnect clients that do not wait where they must. */
  readonly forbidUnauthPipelining?: boolean;
  /** `smtpd_helo_required`: no MAIL before HELO or EHLO. */
  readonly heloRequired?: boolean;
  /** `smtpd_discard_ehlo_keywords`: left out of the reply to EHLO, any case. */
  readonly discardEhloKeywords?: readonly string[];
  /** `disable_vrfy_command`: VRFY is refused. */
  readonly disableVrfyCommand?: boolean;
  /** `strict_rfc821_envelopes`: addresses need angle brackets and nothing else. */
  readonly strictRfc821Envelopes?: boolean;
  /** `relay_clientcerts`: tables, `type:name` each, of the fingerprints that `permitTlsClientcerts()` permits. */
  readonly relayClientcerts?: readonly string[];
  /** `smtpd_hide_client_session`: Received: headers tell neither client nor TLS. */
  readonly hideClientSession?: boolean;
  /** `smtputf8_enable`: SMTPUTF8 is offered. */
  readonly smtputf8Enable?: boolean;
  /** `requiretls_enable`: REQUIRETLS (RFC 8689) is offered under TLS. */
  readonly requiretlsEnable?: boolean;
  /** `requiretls_esmtp_header`: a header `Require-TLS-ESMTP: yes` notes a REQUIRETLS request, and is one. */
  readonly requiretlsEsmtpHeader?: boolean;
  /** `smtpd_sasl_auth_enable`: AUTH is offered where there is a callback for it. */
  readonly saslAuthEnable?: boolean;
  /** `smtpd_sasl_security_options`: mechanisms that are not offered, such as `noplaintext`. */
  readonly saslSecurityOptions?: readonly string[];
  /** `smtpd_sasl_tls_security_options`: the same under TLS. */
  readonly saslTlsSecurityOptions?: readonly string[];
}

/** Parameters of the smtp engine outside `tls`; the class adds the rest. */
export interface SmtpParameters {
  /** `myhostname`: the name sent with EHLO; default: the machine's. */
  readonly myhostname?: string;
  readonly tls?: SmtpTlsOptions;
  /** `smtp_helo_name`: the name sent with EHLO where it differs from `myhostname`. */
  readonly heloName?: string;
  /** `smtp_bind_address`: IPv4 source address of connections; empty leaves it to the system. */
  readonly bindAddress?: string;
  /** `smtp_bind_address6`: the same for IPv6. */
  readonly bindAddress6?: string;
  /** `smtp_connect_timeout`: milliseconds; 0 leaves it to the system. */
  readonly connectTimeout?: number;
  /** `smtp_helo_timeout`: milliseconds for greeting and EHLO reply. */
  readonly heloTimeout?: number;
  /** `smtp_starttls_timeout`: milliseconds for the STARTTLS reply and each wait of the handshake. */
  readonly starttlsTimeout?: number;
  /** `smtp_mail_timeout`: milliseconds for the MAIL FROM reply. */
  readonly mailTimeout?: number;
  /** `smtp_rcpt_timeout`: milliseconds for a RCPT TO reply. */
  readonly rcptTimeout?: number;
  /** `smtp_data_init_timeout`: milliseconds for the DATA reply. */
  readonly dataInitTimeout?: number;
  /** `smtp_data_xfer_timeout`: milliseconds for sending content. */
  readonly dataXferTimeout?: number;
  /** `smtp_data_done_timeout`: milliseconds for the reply at the end of content. */
  readonly dataDoneTimeout?: number;
  /** `smtp_rset_timeout`: milliseconds for the RSET reply. */
  readonly rsetTimeout?: number;
  /** `smtp_quit_timeout`: milliseconds for the QUIT reply. */
  readonly quitTimeout?: number;
  /** `smtp_per_request_deadline`: the time limits are for a whole request. */
  readonly perRequestDeadline?: boolean;
  /** `smtp_min_data_rate`: bytes per second of content that extend the deadline. */
  readonly minDataRate?: number;
  /** `smtp_line_length_limit`: longest line of content before it is broken; 0 is no limit. */
  readonly lineLengthLimit?: number;
  /** `minimal_backoff_time`: milliseconds that a message must have waited before level `may` falls back to plaintext. */
  readonly minimalBackoffTime?: number;
  /** `smtp_always_send_ehlo`: EHLO whatever the greeting says. */
  readonly alwaysSendEhlo?: boolean;
  /** `smtp_never_send_ehlo`: HELO whatever the greeting says. */
  readonly neverSendEhlo?: boolean;
  /** `smtp_skip_5xx_greeting`: a greeting of 5xx moves on to the next server; else it bounces. */
  readonly skip5xxGreeting?: boolean;
  /** `smtp_skip_quit_response`: do not wait for the reply to QUIT. */
  readonly skipQuitResponse?: boolean;
  /** `smtp_discard_ehlo_keywords`: not heeded in the reply to EHLO, any case. */
  readonly discardEhloKeywords?: readonly string[];
  /** `smtputf8_enable`: SMTPUTF8 is used where it is offered. */
  readonly smtputf8Enable?: boolean;
  /** `requiretls_enable`: a message that asks for REQUIRETLS (RFC 8689) is delivered as `requiretlsPolicy` says. */
  readonly requiretlsEnable?: boolean;
  /**
   * `smtp_requiretls_policy`: how a next hop is held to REQUIRETLS: `enforce`, `opportunistic+starttls`, `opportunistic`, `disable`, `error`, or
   * tables with these by domain; the first that says something counts, `enforce` where nothing does.
   */
  readonly requiretlsPolicy?: string;
  /** `requiretls_redact_dsn`: bounces of such messages are to have headers alone, and go without REQUIRETLS. */
  readonly requiretlsRedactDsn?: boolean;
  /** `smtp_sasl_auth_enable`: AUTH where there are credentials. */
  readonly saslAuthEnable?: boolean;
  /** `smtp_sasl_security_options`: mechanisms that are not used, such as `noplaintext`. */
  readonly saslSecurityOptions?: readonly string[];
  /** `smtp_sasl_tls_security_options`: the same under TLS. */
  readonly saslTlsSecurityOptions?: readonly string[];
  /** `smtp_sasl_tls_verified_security_options`: the same under TLS with a verified server. */
  readonly saslTlsVerifiedSecurityOptions?: readonly string[];
  /** `smtp_log_tls_feature_status`: the `tls=` field of the delivery record. */
  readonly logTlsFeatureStatus?: boolean;
  /** `smtp_connection_cache_time_limit`: milliseconds that a connection waits for another message; see `tls.connectionReuse`. */
  readonly connectionCacheTimeLimit?: number;
  /** `smtp_connection_reuse_time_limit`: milliseconds from a connection's begin to its last use. */
  readonly connectionReuseTimeLimit?: number;
  /** `smtp_connection_reuse_count_limit`: how often a connection is used again; 0: any number. */
  readonly connectionReuseCountLimit?: number;
  /** `smtp_destination_concurrency_limit`: deliveries to one destination at a time; 0: any number. */
  readonly destinationConcurrencyLimit?: number;
  /** `smtp_host_lookup`: where addresses of hosts are found: `dns` (default), `native`. */
  readonly hostLookup?: readonly string[];
  /** `smtp_dns_support_level`: `disabled`, `enabled` (default), `dnssec`, which DANE needs. */
  readonly dnsSupportLevel?: '' | 'disabled' | 'enabled' | 'dnssec';
  /** `smtp_tcp_port`: port of servers where the next hop names none; default `smtp` (25). */
  readonly tcpPort?: string;
  /** `smtp_address_preference`: which addresses are tried first among MX hosts of equal preference. */
  readonly addressPreference?: 'any' | 'ipv4' | 'ipv6';
  /** `smtp_randomize_addresses`: shuffle MX hosts of equal preference and the addresses of a host. */
  readonly randomizeAddresses?: boolean;
  /** `smtp_balance_inet_protocols`: within `mxAddressLimit` leave room for IPv4 and IPv6. */
  readonly balanceInetProtocols?: boolean;
  /** `smtp_mx_address_limit`: addresses of a destination that are tried; 0: all. */
  readonly mxAddressLimit?: number;
  /** `smtp_mx_session_limit`: sessions that get as far as MAIL, per destination and message; 0: any number. */
  readonly mxSessionLimit?: number;
  /** `inet_protocols`: addresses that are looked up. */
  readonly inetProtocols?: 'all' | 'ipv4' | 'ipv6';
  /** `ignore_mx_lookup_error`: go on as if there were no MX records. */
  readonly ignoreMxLookupError?: boolean;
  /** `smtp_cname_overrides_servername`: an alias is logged and matched by the name it stands for. */
  readonly cnameOverridesServername?: boolean;
  /**
   * `tlsproxy_service_name`: UNIX socket of a tlsproxy, which has a slash in it. Connections with TLS that may be used again
   * (`tls.connectionReuse`) are shared with all processes that use the same one.
   */
  readonly tlsproxyServiceName?: string;
  /** `smtp_tlsrpt_enable`: report TLS successes and failures (RFC 8460) to `tlsrptSocketName`. */
  readonly tlsrptEnable?: boolean;
  /** `smtp_tlsrpt_socket_name`: socket of the collector of such reports. */
  readonly tlsrptSocketName?: string;
  /** `smtp_tlsrpt_skip_reused_handshakes`: resumed sessions are not reported. */
  readonly tlsrptSkipReusedHandshakes?: boolean;
}

/** {@link SmtpdParameters} with every default filled in. */
export type ResolvedSmtpd = Required<Omit<SmtpdParameters, 'tls'>> & {
  readonly tls: ResolvedSmtpdTls;
};

/** {@link SmtpParameters} with every default filled in. */
export type ResolvedSmtp = Required<Omit<SmtpParameters, 'tls'>> & {
  readonly tls: ResolvedSmtpTls;
};
