/** Parameters of the smtpd engine outside TLS: `smtpd_*`, and what only it reads of the general ones. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import type { Parameter } from './parameter.js';

const server = 'smtpd';

// biome-ignore format: a table, one row a line
export const smtpdTable: readonly Parameter[] = [
  { name: 'smtpd_banner', type: 'string', default: '$myhostname ESMTP $mail_name', group: server, option: 'banner', nonEmpty: true, doc: 'text after the 220 of the greeting; begins with the name of the host' },
  { name: 'smtpd_timeout', type: 'time', default: '${stress?{10}:{300}}s', group: server, option: 'timeout', min: 1000, doc: 'time limit of each read from and write to a client' },
  { name: 'smtpd_starttls_timeout', type: 'time', default: '${stress?{10}:{300}}s', group: server, option: 'starttlsTimeout', since: '2.2', min: 1000, doc: 'time limit of each wait during TLS handshake and shutdown' },
  { name: 'smtpd_per_request_deadline', type: 'bool', default: '${smtpd_per_record_deadline?{$smtpd_per_record_deadline}:{${stress?{yes}:{no}}}}', group: server, option: 'perRequestDeadline', since: '3.7', doc: 'smtpd_timeout and smtpd_starttls_timeout limit the whole command and the whole reply, not each wait' },
  { name: 'smtpd_min_data_rate', type: 'int', default: '500', group: server, option: 'minDataRate', since: '3.7', min: 1, doc: 'bytes per second of content that extend the deadline of a request' },

  { name: 'message_size_limit', type: 'int', default: '10240000', group: server, option: 'messageSizeLimit', min: 0, doc: 'largest message in bytes; 0 for no limit' },
  { name: 'line_length_limit', type: 'int', default: '2048', group: server, option: 'lineLengthLimit', min: 512, doc: 'longest command line in bytes' },
  { name: 'smtpd_recipient_limit', type: 'int', default: '1000', group: server, option: 'recipientLimit', min: 1, doc: 'most recipients of one message' },
  { name: 'smtpd_recipient_overshoot_limit', type: 'int', default: '1000', group: server, option: 'recipientOvershootLimit', min: 1, doc: 'recipients over the limit before each further one counts as an error' },
  { name: 'smtpd_soft_error_limit', type: 'int', default: '10', group: server, option: 'softErrorLimit', min: 1, doc: 'errors of a client before replies to its errors are delayed' },
  { name: 'smtpd_hard_error_limit', type: 'int', default: '${stress?{1}:{20}}', group: server, option: 'hardErrorLimit', min: 1, doc: 'errors of a client before it is disconnected' },
  { name: 'smtpd_error_sleep_time', type: 'time', default: '1s', group: server, option: 'errorSleepTime', min: 0, doc: 'delay of replies to a client over the soft error limit' },
  { name: 'smtpd_junk_command_limit', type: 'int', default: '${stress?{1}:{100}}', group: server, option: 'junkCommandLimit', min: 1, doc: 'NOOP, VRFY, ETRN and RSET commands between two messages before each further one counts as an error' },
  { name: 'smtpd_client_connection_count_limit', type: 'int', default: '50', group: server, option: 'clientConnectionCountLimit', since: '2.2', min: 0, doc: 'simultaneous connections of one client address; 0 for no limit' },
  { name: 'smtpd_client_event_limit_exceptions', type: 'list', default: '${smtpd_client_connection_limit_exceptions:$mynetworks}', group: server, option: 'clientEventLimitExceptions', since: '2.2', doc: 'networks of clients that connection and rate limits spare' },
  { name: 'smtpd_client_new_tls_session_rate_limit', type: 'int', default: '0', group: server, option: 'clientNewTlsSessionRateLimit', since: '2.3', min: 0, doc: 'full TLS handshakes of one client address in anvil_rate_time_unit; 0 for no limit' },

  { name: 'smtpd_forbid_bare_newline', type: 'enum', values: ['normalize', 'reject', 'note', 'no'], aliases: { yes: 'normalize' }, default: 'normalize', group: server, option: 'forbidBareNewline', since: '3.9', doc: 'lines that end in a bare LF: normalize, reject, note in the log, or no: let them end lines and messages' },
  { name: 'smtpd_forbid_bare_newline_reject_code', type: 'int', default: '550', group: server, option: 'forbidBareNewlineRejectCode', since: '3.9', min: 400, max: 599, doc: 'code of the reply to a message that is rejected for a bare LF' },
  { name: 'smtpd_forbid_bare_newline_exclusions', type: 'list', default: '$mynetworks', group: server, option: 'forbidBareNewlineExclusions', since: '3.9', doc: 'networks of clients that may send bare LFs' },
  { name: 'smtpd_forbid_unauth_pipelining', type: 'bool', default: 'yes', group: server, option: 'forbidUnauthPipelining', since: '3.9', doc: 'disconnect clients that send ahead where they must wait for a reply' },
  { name: 'smtpd_helo_required', type: 'bool', default: 'no', group: server, option: 'heloRequired', doc: 'no MAIL before HELO or EHLO' },
  { name: 'smtpd_discard_ehlo_keywords', type: 'list', default: '', group: server, option: 'discardEhloKeywords', since: '2.2', doc: 'keywords left out of the reply to EHLO, any case' },
  { name: 'disable_vrfy_command', type: 'bool', default: 'no', group: server, option: 'disableVrfyCommand', doc: 'VRFY is refused' },
  { name: 'strict_rfc821_envelopes', type: 'bool', default: 'no', group: server, option: 'strictRfc821Envelopes', doc: 'addresses in MAIL and RCPT need angle brackets and nothing else' },
  { name: 'smtpd_hide_client_session', type: 'bool', default: 'no', group: server, option: 'hideClientSession', since: '3.10', doc: 'Received: headers tell neither client nor TLS' },

  { name: 'smtpd_sasl_auth_enable', type: 'bool', default: 'no', group: server, option: 'saslAuthEnable', doc: 'AUTH is offered where the class has a callback for it' },
  { name: 'smtpd_sasl_security_options', type: 'list', default: 'noanonymous', group: server, option: 'saslSecurityOptions', doc: 'mechanisms that are not offered: noplaintext, noanonymous and others' },
  { name: 'smtpd_sasl_tls_security_options', type: 'list', default: '$smtpd_sasl_security_options', group: server, option: 'saslTlsSecurityOptions', since: '2.2', doc: 'the same under TLS' },
  { name: 'relay_clientcerts', type: 'tables', default: '', group: server, option: 'relayClientcerts', since: '2.2', doc: 'tables of fingerprints of client credentials that permitTlsClientcerts() permits' },

  { name: 'smtpd_use_tls', type: 'bool', default: 'no', group: server, option: null, since: '2.2', legacy: 'smtpd_tls_security_level', deprecated: true, doc: 'level may where smtpd_tls_security_level is empty' },
  { name: 'smtpd_enforce_tls', type: 'bool', default: 'no', group: server, option: null, since: '2.2', legacy: 'smtpd_tls_security_level', deprecated: true, doc: 'level encrypt where smtpd_tls_security_level is empty' },
];
