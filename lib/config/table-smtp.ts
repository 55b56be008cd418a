/** Parameters of the smtp engine outside TLS: `smtp_*`, and what only it reads of the general ones. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import type { Parameter } from './parameter.js';

const client = 'smtp';
const requiretlsPolicy =
  'inline:{ {$mydomain = opportunistic}, {.$mydomain = opportunistic}, {localhost = opportunistic} }, ' +
  'cidr:{ {0.0.0.0/0 opportunistic}, {::/0 opportunistic} }, enforce';

// biome-ignore format: a table, one row a line
export const smtpTable: readonly Parameter[] = [
  { name: 'smtp_helo_name', type: 'string', default: '$myhostname', group: client, option: 'heloName', nonEmpty: true, doc: 'name sent with EHLO' },
  { name: 'smtp_bind_address', type: 'string', default: '', group: client, option: 'bindAddress', doc: 'IPv4 source address of connections; empty leaves it to the system' },
  { name: 'smtp_bind_address6', type: 'string', default: '', group: client, option: 'bindAddress6', since: '2.2', doc: 'IPv6 source address of connections; empty leaves it to the system' },
  { name: 'smtp_connect_timeout', type: 'time', default: '30s', group: client, option: 'connectTimeout', min: 0, doc: 'time limit of connecting; 0 leaves it to the system' },
  { name: 'smtp_helo_timeout', type: 'time', default: '300s', group: client, option: 'heloTimeout', min: 1000, doc: 'time limit for the greeting and for the reply to EHLO' },
  { name: 'smtp_starttls_timeout', type: 'time', default: '300s', group: client, option: 'starttlsTimeout', since: '2.2', min: 1000, doc: 'time limit for the reply to STARTTLS and of each wait during handshake and shutdown' },
  { name: 'smtp_mail_timeout', type: 'time', default: '300s', group: client, option: 'mailTimeout', min: 1000, doc: 'time limit for the reply to MAIL FROM' },
  { name: 'smtp_rcpt_timeout', type: 'time', default: '300s', group: client, option: 'rcptTimeout', min: 1000, doc: 'time limit for the reply to RCPT TO' },
  { name: 'smtp_data_init_timeout', type: 'time', default: '120s', group: client, option: 'dataInitTimeout', min: 1000, doc: 'time limit for the reply to DATA' },
  { name: 'smtp_data_xfer_timeout', type: 'time', default: '180s', group: client, option: 'dataXferTimeout', min: 1000, doc: 'time limit of each write of content' },
  { name: 'smtp_data_done_timeout', type: 'time', default: '600s', group: client, option: 'dataDoneTimeout', min: 1000, doc: 'time limit for the reply at the end of content' },
  { name: 'smtp_rset_timeout', type: 'time', default: '20s', group: client, option: 'rsetTimeout', min: 1000, doc: 'time limit for the reply to RSET' },
  { name: 'smtp_quit_timeout', type: 'time', default: '300s', group: client, option: 'quitTimeout', min: 1000, doc: 'time limit for the reply to QUIT' },
  { name: 'smtp_per_request_deadline', type: 'bool', default: '${smtp_per_record_deadline?{$smtp_per_record_deadline}:{no}}', group: client, option: 'perRequestDeadline', since: '3.7', doc: 'the time limits are for the whole request, not for each wait' },
  { name: 'smtp_min_data_rate', type: 'int', default: '500', group: client, option: 'minDataRate', since: '3.7', min: 1, doc: 'bytes per second of content that extend the deadline of a request' },
  { name: 'smtp_line_length_limit', type: 'int', default: '998', group: client, option: 'lineLengthLimit', min: 0, doc: 'longest line of content in bytes before it is broken; 0 for no limit' },
  { name: 'minimal_backoff_time', type: 'time', default: '300s', group: client, option: 'minimalBackoffTime', min: 1000, doc: 'time a message must have been queued before level may falls back to plaintext' },

  { name: 'smtp_always_send_ehlo', type: 'bool', default: 'yes', group: client, option: 'alwaysSendEhlo', doc: 'EHLO whatever the greeting says' },
  { name: 'smtp_never_send_ehlo', type: 'bool', default: 'no', group: client, option: 'neverSendEhlo', doc: 'HELO whatever the greeting says' },
  { name: 'smtp_skip_5xx_greeting', type: 'bool', default: 'yes', group: client, option: 'skip5xxGreeting', doc: 'a greeting of 5xx moves on to the next server; else it bounces' },
  { name: 'smtp_skip_quit_response', type: 'bool', default: 'yes', group: client, option: 'skipQuitResponse', doc: 'do not wait for the reply to QUIT' },
  { name: 'smtp_discard_ehlo_keywords', type: 'list', default: '', group: client, option: 'discardEhloKeywords', since: '2.2', doc: 'keywords in the reply to EHLO that are not heeded, any case' },
  { name: 'smtp_log_tls_feature_status', type: 'bool', default: 'yes', group: client, option: 'logTlsFeatureStatus', since: '3.11', doc: 'write tls= in the delivery record' },

  { name: 'smtp_sasl_auth_enable', type: 'bool', default: 'no', group: client, option: 'saslAuthEnable', doc: 'AUTH where there are credentials for the server' },
  { name: 'smtp_sasl_security_options', type: 'list', default: 'noplaintext, noanonymous', group: client, option: 'saslSecurityOptions', doc: 'mechanisms that are not used: noplaintext, noanonymous and others' },
  { name: 'smtp_sasl_tls_security_options', type: 'list', default: '$smtp_sasl_security_options', group: client, option: 'saslTlsSecurityOptions', since: '2.2', doc: 'the same under TLS' },
  { name: 'smtp_sasl_tls_verified_security_options', type: 'list', default: '$smtp_sasl_tls_security_options', group: client, option: 'saslTlsVerifiedSecurityOptions', since: '2.6', doc: 'the same under TLS with a verified server' },

  { name: 'smtp_connection_cache_time_limit', type: 'time', default: '2s', group: client, option: 'connectionCacheTimeLimit', min: 1000, doc: 'how long a connection waits for another message' },
  { name: 'smtp_connection_reuse_time_limit', type: 'time', default: '300s', group: client, option: 'connectionReuseTimeLimit', min: 1000, doc: 'age at which a connection is not used again' },
  { name: 'smtp_connection_reuse_count_limit', type: 'int', default: '0', group: client, option: 'connectionReuseCountLimit', min: 0, doc: 'how often a connection is used again; 0 for no limit' },
  { name: 'default_destination_concurrency_limit', type: 'int', default: '20', group: client, option: null, min: 0, doc: 'deliveries to one destination at a time; 0 for no limit' },
  { name: 'smtp_destination_concurrency_limit', type: 'int', default: '$default_destination_concurrency_limit', group: client, option: 'destinationConcurrencyLimit', min: 0, doc: 'the same for the smtp engine' },

  { name: 'smtp_host_lookup', type: 'list', default: 'dns', group: client, option: 'hostLookup', since: '2.1', nonEmpty: true, doc: 'where host names are looked up: dns, native' },
  { name: 'smtp_dns_support_level', type: 'enum', values: ['', 'disabled', 'enabled', 'dnssec'], default: '', group: client, option: 'dnsSupportLevel', since: '2.11', doc: 'DNS: disabled, enabled (or empty), or dnssec, which DANE needs' },
  { name: 'smtp_tcp_port', type: 'string', default: 'smtp', group: client, option: 'tcpPort', nonEmpty: true, doc: 'port of servers where the next hop names none: a number, or smtp, submission, submissions' },
  { name: 'smtp_address_preference', type: 'enum', values: ['any', 'ipv4', 'ipv6'], default: 'any', group: client, option: 'addressPreference', since: '2.8', doc: 'which addresses are tried first among MX hosts of equal preference' },
  { name: 'smtp_randomize_addresses', type: 'bool', default: 'yes', group: client, option: 'randomizeAddresses', doc: 'shuffle MX hosts of equal preference and the addresses of a host' },
  { name: 'smtp_balance_inet_protocols', type: 'bool', default: 'yes', group: client, option: 'balanceInetProtocols', since: '3.3', doc: 'within smtp_mx_address_limit leave room for IPv4 and IPv6' },
  { name: 'smtp_mx_address_limit', type: 'int', default: '5', group: client, option: 'mxAddressLimit', min: 0, doc: 'addresses of a destination that are tried; 0 for all' },
  { name: 'smtp_mx_session_limit', type: 'int', default: '2', group: client, option: 'mxSessionLimit', min: 0, doc: 'sessions with servers of a destination for one message, those not counted that end before MAIL; 0 for no limit' },
  { name: 'inet_protocols', type: 'enum', values: ['all', 'ipv4', 'ipv6'], default: 'all', group: client, option: 'inetProtocols', since: '2.2', aliases: { 'ipv4, ipv6': 'all', 'ipv6, ipv4': 'all', 'ipv4 ipv6': 'all', 'ipv6 ipv4': 'all' }, note: 'only the client heeds it', doc: 'addresses that are looked up: all, ipv4, ipv6' },
  { name: 'ignore_mx_lookup_error', type: 'bool', default: 'no', group: client, option: 'ignoreMxLookupError', doc: 'after an MX look-up that fails go on as if there were no MX records' },
  { name: 'smtp_cname_overrides_servername', type: 'bool', default: 'no', group: client, option: 'cnameOverridesServername', since: '2.2.9', legacy: 'the default', doc: 'an alias is logged and matched by the name it stands for' },
  { name: 'smtp_requiretls_policy', type: 'string', default: requiretlsPolicy, group: client, option: 'requiretlsPolicy', since: '3.11', note: 'the spelling is ours, the meaning that of Postfix', doc: 'how REQUIRETLS is enforced: enforce, opportunistic+starttls, opportunistic, disable, or tables' },
  { name: 'smtp_tlsrpt_enable', type: 'bool', default: 'no', group: client, option: 'tlsrptEnable', since: '3.10', doc: 'report TLS successes and failures (RFC 8460)' },
  { name: 'smtp_tlsrpt_socket_name', type: 'string', default: '', group: client, option: 'tlsrptSocketName', since: '3.10', doc: 'socket of the collector of such reports' },
  { name: 'smtp_tlsrpt_skip_reused_handshakes', type: 'bool', default: '${{$compatibility_level} <level {3.11} ? {yes} : {no}}', group: client, option: 'tlsrptSkipReusedHandshakes', since: '3.10', doc: 'do not report resumed sessions' },

  { name: 'smtp_use_tls', type: 'bool', default: 'no', group: client, option: null, since: '2.2', legacy: 'smtp_tls_security_level', deprecated: true, doc: 'level may where smtp_tls_security_level is empty' },
  { name: 'smtp_enforce_tls', type: 'bool', default: 'no', group: client, option: null, since: '2.2', legacy: 'smtp_tls_security_level', deprecated: true, doc: 'level verify, or encrypt, where smtp_tls_security_level is empty' },
];
