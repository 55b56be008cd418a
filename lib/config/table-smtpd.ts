/** Parameters of the smtpd engine: `smtpd_*`, and what it reads of the general ones. */
import type { Parameter } from './parameter.js';

const server = 'smtpd';

// biome-ignore format: a table, one row a line
export const smtpdTable = [
  { name: 'myhostname', type: 'string', default: '', group: 'both', option: 'myhostname', doc: 'name of this mail system in greeting, EHLO, replies and Received: headers; empty means the name of the machine' },
  { name: 'mail_name', type: 'string', default: 'mxtls', group: server, option: 'mailName', postfixDefault: 'Postfix', nonEmpty: true, doc: 'name of the software in the greeting and in Received: headers' },
  { name: 'smtpd_banner', type: 'string', default: '$myhostname ESMTP $mail_name', group: server, option: 'banner', nonEmpty: true, doc: 'text after the 220 of the greeting; begins with the name of the host' },
  { name: 'smtpd_timeout', type: 'time', default: '300s', group: server, option: 'timeout', min: 1000, doc: 'time limit of each read from and write to a client' },
  { name: 'smtpd_starttls_timeout', type: 'time', default: '300s', group: server, option: 'starttlsTimeout', min: 1000, doc: 'time limit of each wait during TLS handshake and shutdown' },
  { name: 'message_size_limit', type: 'int', default: '10240000', group: server, option: 'messageSizeLimit', min: 0, doc: 'largest message in bytes; 0 for no limit' },
  { name: 'smtpd_recipient_limit', type: 'int', default: '1000', group: server, option: 'recipientLimit', min: 1, doc: 'most recipients of one message' },
  { name: 'line_length_limit', type: 'int', default: '2048', group: server, option: 'lineLengthLimit', min: 512, doc: 'longest command line in bytes' },

  { name: 'smtpd_tls_security_level', type: 'server-level', default: '', group: server, option: 'tls.securityLevel', doc: 'none (or empty), may: STARTTLS is offered, encrypt: it is required' },
  { name: 'smtpd_tls_chain_files', type: 'list', default: '', group: server, option: 'tls.chainFiles', doc: 'PEM files with private keys, each followed by its certificate and the issuers of that' },
  { name: 'smtpd_tls_wrappermode', type: 'bool', default: 'no', group: server, option: 'tls.wrappermode', doc: 'TLS from the first byte (port 465); makes TLS mandatory' },
  { name: 'smtpd_tls_loglevel', type: 'loglevel', default: '0', group: server, option: 'tls.loglevel', doc: 'what is logged about TLS: 0 nothing, 1 one line per handshake, or words' },
  { name: 'smtpd_tls_protocols', type: 'protocols', default: '>=TLSv1', group: server, option: 'tls.protocols', doc: 'TLS protocols where TLS is optional; empty leaves it to the OpenSSL configuration file, which is the default beside a private tls_config_file' },
  { name: 'smtpd_tls_mandatory_protocols', type: 'protocols', default: '>=TLSv1', group: server, option: 'tls.mandatoryProtocols', doc: 'TLS protocols where TLS is mandatory' },
  { name: 'smtpd_tls_ciphers', type: 'grade', default: 'medium', group: server, option: 'tls.ciphers', doc: 'lowest cipher grade where TLS is optional: high, medium, null (TLS 1.2 and older)' },
  { name: 'smtpd_tls_mandatory_ciphers', type: 'grade', default: 'medium', group: server, option: 'tls.mandatoryCiphers', doc: 'lowest cipher grade where TLS is mandatory' },
  { name: 'smtpd_tls_exclude_ciphers', type: 'exclusions', default: '', group: server, option: 'tls.excludeCiphers', doc: 'ciphers that are never used' },
  { name: 'smtpd_tls_mandatory_exclude_ciphers', type: 'exclusions', default: '', group: server, option: 'tls.mandatoryExcludeCiphers', doc: 'ciphers that are not used either where TLS is mandatory' },
  { name: 'smtpd_tls_received_header', type: 'bool', default: 'no', group: server, option: 'tls.receivedHeader', pending: true, doc: 'tell protocol, cipher and client certificate in the Received: header' },
  { name: 'smtpd_tls_fingerprint_digest', type: 'string', default: 'sha256', group: server, option: 'tls.fingerprintDigest', nonEmpty: true, doc: 'digest of client fingerprints' },
  { name: 'smtpd_tls_ask_ccert', type: 'bool', default: 'no', group: server, option: 'tls.askCcert', doc: 'ask clients for a certificate; having none is fine' },
  { name: 'smtpd_tls_req_ccert', type: 'bool', default: 'no', group: server, option: 'tls.reqCcert', doc: 'require a trusted client certificate; only where TLS is mandatory' },
  { name: 'smtpd_tls_CAfile', type: 'string', default: '', group: server, option: 'tls.CAfile', doc: 'PEM file of the CAs that client certificates are trusted by' },
  { name: 'smtpd_tls_CApath', type: 'string', default: '', group: server, option: 'tls.CApath', doc: 'hashed directory of such CAs' },
  { name: 'smtpd_tls_ccert_verifydepth', type: 'int', default: '9', group: server, option: 'tls.ccertVerifydepth', min: 0, max: 1000, doc: 'most CA certificates in the chain of a client' },
  { name: 'smtpd_tls_enable_rpk', type: 'bool', default: 'no', group: server, option: 'tls.enableRpk', doc: 'accept raw public keys from clients (RFC 7250)' },
] as const satisfies readonly Parameter[];
