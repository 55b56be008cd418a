/** Parameters of the smtp engine: `smtp_*`, and what it reads of the general ones. */
import type { Parameter } from './parameter.js';

const client = 'smtp';

// biome-ignore format: a table, one row a line
export const smtpTable = [
  { name: 'smtp_helo_name', type: 'string', default: '$myhostname', group: client, option: 'heloName', nonEmpty: true, doc: 'name sent with EHLO' },
  { name: 'smtp_bind_address', type: 'string', default: '', group: client, option: 'bindAddress', doc: 'source address of connections; empty leaves it to the system' },
  { name: 'smtp_connect_timeout', type: 'time', default: '30s', group: client, option: 'connectTimeout', min: 0, doc: 'time limit of connecting; 0 leaves it to the system' },
  { name: 'smtp_helo_timeout', type: 'time', default: '300s', group: client, option: 'heloTimeout', min: 1000, doc: 'time limit for the greeting and for the reply to EHLO' },
  { name: 'smtp_starttls_timeout', type: 'time', default: '300s', group: client, option: 'starttlsTimeout', min: 1000, doc: 'time limit for the reply to STARTTLS and of each wait during handshake and shutdown' },
  { name: 'smtp_mail_timeout', type: 'time', default: '300s', group: client, option: 'mailTimeout', min: 1000, doc: 'time limit for the reply to MAIL FROM' },
  { name: 'smtp_rcpt_timeout', type: 'time', default: '300s', group: client, option: 'rcptTimeout', min: 1000, doc: 'time limit for the reply to RCPT TO' },
  { name: 'smtp_data_init_timeout', type: 'time', default: '120s', group: client, option: 'dataInitTimeout', min: 1000, doc: 'time limit for the reply to DATA' },
  { name: 'smtp_data_xfer_timeout', type: 'time', default: '180s', group: client, option: 'dataXferTimeout', min: 1000, doc: 'time limit of each write of content' },
  { name: 'smtp_data_done_timeout', type: 'time', default: '600s', group: client, option: 'dataDoneTimeout', min: 1000, doc: 'time limit for the reply at the end of content' },
  { name: 'smtp_rset_timeout', type: 'time', default: '20s', group: client, option: 'rsetTimeout', pending: true, min: 1000, doc: 'time limit for the reply to RSET' },
  { name: 'smtp_quit_timeout', type: 'time', default: '300s', group: client, option: 'quitTimeout', min: 1000, doc: 'time limit for the reply to QUIT' },
  { name: 'smtp_line_length_limit', type: 'int', default: '998', group: client, option: 'lineLengthLimit', pending: true, min: 0, doc: 'longest line of content in bytes before it is broken; 0 for no limit' },
  { name: 'minimal_backoff_time', type: 'time', default: '300s', group: client, option: 'minimalBackoffTime', min: 1000, doc: 'time a message must have been queued before level may falls back to plaintext' },
  { name: 'smtp_log_tls_feature_status', type: 'bool', default: 'yes', group: client, option: 'logTlsFeatureStatus', doc: 'write tls= in the delivery record' },

  { name: 'smtp_tls_security_level', type: 'client-level', default: 'may', group: client, option: 'tls.securityLevel', doc: 'none, may: TLS if offered, encrypt: required' },
  { name: 'smtp_tls_chain_files', type: 'list', default: '', group: client, option: 'tls.chainFiles', doc: 'PEM files with client keys, each followed by its certificate and the issuers of that' },
  { name: 'smtp_tls_wrappermode', type: 'bool', default: 'no', group: client, option: 'tls.wrappermode', doc: 'TLS from the first byte (port 465); needs level encrypt or stronger' },
  { name: 'smtp_tls_loglevel', type: 'loglevel', default: '0', group: client, option: 'tls.loglevel', doc: 'what is logged about TLS: 0 nothing, 1 one line per handshake, or words' },
  { name: 'smtp_tls_protocols', type: 'protocols', default: '>=TLSv1', group: client, option: 'tls.protocols', doc: 'TLS protocols at level may; empty leaves it to the OpenSSL configuration file, which is the default beside a private tls_config_file' },
  { name: 'smtp_tls_mandatory_protocols', type: 'protocols', default: '>=TLSv1', group: client, option: 'tls.mandatoryProtocols', doc: 'TLS protocols above level may' },
  { name: 'smtp_tls_ciphers', type: 'grade', default: 'medium', group: client, option: 'tls.ciphers', doc: 'lowest cipher grade at level may: high, medium, null (TLS 1.2 and older)' },
  { name: 'smtp_tls_mandatory_ciphers', type: 'grade', default: 'medium', group: client, option: 'tls.mandatoryCiphers', doc: 'lowest cipher grade above level may' },
  { name: 'smtp_tls_exclude_ciphers', type: 'exclusions', default: '', group: client, option: 'tls.excludeCiphers', doc: 'ciphers that are never used' },
  { name: 'smtp_tls_mandatory_exclude_ciphers', type: 'exclusions', default: '', group: client, option: 'tls.mandatoryExcludeCiphers', doc: 'ciphers that are not used either above level may' },
  { name: 'smtp_tls_fingerprint_digest', type: 'string', default: 'sha256', group: client, option: 'tls.fingerprintDigest', nonEmpty: true, doc: 'digest of server fingerprints' },
  { name: 'smtp_tls_CAfile', type: 'string', default: '', group: client, option: 'tls.CAfile', doc: 'PEM file of the CAs that server certificates are trusted by' },
  { name: 'smtp_tls_CApath', type: 'string', default: '', group: client, option: 'tls.CApath', doc: 'hashed directory of such CAs' },
  { name: 'smtp_tls_scert_verifydepth', type: 'int', default: '9', group: client, option: 'tls.scertVerifydepth', min: 0, max: 1000, doc: 'most CA certificates in the chain of a server' },
  { name: 'smtp_tls_enable_rpk', type: 'bool', default: 'no', group: client, option: 'tls.enableRpk', doc: 'ask servers for a raw public key (RFC 7250)' },
  { name: 'smtp_tls_servername', type: 'string', default: '', group: client, option: 'tls.servername', doc: 'server name to send: a host name, "hostname" for the name of the server, "nexthop" for that of the destination; empty for none' },
] as const satisfies readonly Parameter[];
