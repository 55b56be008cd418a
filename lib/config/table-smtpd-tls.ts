/** TLS of the smtpd engine: `smtpd_tls_*`. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import type { Parameter } from './parameter.js';

const server = 'smtpd';
const chains = 'smtpd_tls_chain_files';

// biome-ignore format: a table, one row a line
export const smtpdTlsTable: readonly Parameter[] = [
  { name: 'smtpd_tls_security_level', type: 'server-level', default: '', group: server, option: 'tls.securityLevel', since: '2.3', doc: 'none (or empty), may: STARTTLS is offered, encrypt: it is required' },
  { name: 'smtpd_tls_wrappermode', type: 'bool', default: 'no', group: server, option: 'tls.wrappermode', since: '2.2', doc: 'TLS from the first byte (port 465); makes TLS mandatory' },
  { name: 'smtpd_tls_auth_only', type: 'bool', default: 'no', group: server, option: 'tls.authOnly', since: '2.2', doc: 'no AUTH outside TLS; mandatory TLS implies it' },
  { name: 'smtpd_tls_loglevel', type: 'loglevel', default: '0', group: server, option: 'tls.loglevel', since: '2.2', doc: 'what is logged about TLS: 0 nothing, 1 one line per handshake, or words' },
  { name: 'smtpd_tls_loglevel_maps', type: 'tables', default: '', group: server, option: 'tls.loglevelMaps', since: '3.12', doc: 'tables with the loglevel of single clients' },
  { name: 'smtpd_tls_trace_size_limit', type: 'int', default: '102400', group: server, option: 'tls.traceSizeLimit', since: '3.12', min: 0, max: 2_147_483_647, doc: 'largest protocol trace of one session in bytes; 0 for none' },
  { name: 'smtpd_tls_received_header', type: 'bool', default: 'no', group: server, option: 'tls.receivedHeader', since: '2.2', doc: 'tell protocol, cipher and client certificate in the Received: header' },

  { name: 'smtpd_tls_chain_files', type: 'list', default: '', group: server, option: 'tls.chainFiles', since: '3.4', doc: 'PEM files with private keys, each followed by its certificate and the issuers of that' },
  { name: 'smtpd_tls_cert_file', type: 'string', default: '', group: server, option: 'tls.certFile', since: '2.2', legacy: chains, doc: 'PEM file of a certificate, RSA by name, with its issuers; none for TLS without a certificate' },
  { name: 'smtpd_tls_key_file', type: 'string', default: '$smtpd_tls_cert_file', group: server, option: 'tls.keyFile', since: '2.2', legacy: chains, doc: 'PEM file of its private key' },
  { name: 'smtpd_tls_dcert_file', type: 'string', default: '', group: server, option: 'tls.dcertFile', since: '2.2', legacy: chains, doc: 'PEM file of another certificate, DSA by name' },
  { name: 'smtpd_tls_dkey_file', type: 'string', default: '$smtpd_tls_dcert_file', group: server, option: 'tls.dkeyFile', since: '2.2', legacy: chains, doc: 'PEM file of its private key' },
  { name: 'smtpd_tls_eccert_file', type: 'string', default: '', group: server, option: 'tls.eccertFile', since: '2.6', legacy: chains, doc: 'PEM file of a third certificate, ECDSA by name' },
  { name: 'smtpd_tls_eckey_file', type: 'string', default: '$smtpd_tls_eccert_file', group: server, option: 'tls.eckeyFile', since: '2.6', legacy: chains, doc: 'PEM file of its private key' },
  { name: 'smtpd_tls_dh1024_param_file', type: 'string', default: '', group: server, option: 'tls.dh1024ParamFile', since: '2.2', legacy: 'the default', deprecated: true, doc: 'finite-field Diffie-Hellman parameters; empty or auto leaves them to the library' },
  { name: 'smtpd_tls_dh512_param_file', type: 'string', default: '', group: server, option: null, since: '2.2', ignored: 'export ciphers are gone', doc: 'Diffie-Hellman parameters of export ciphers' },
  { name: 'smtpd_tls_eecdh_grade', type: 'string', default: 'auto', group: server, option: null, since: '2.6', legacy: 'the default', deprecated: true, ignored: 'groups are negotiated, as with auto', doc: 'strength of ECDH key exchange' },

  { name: 'smtpd_tls_protocols', type: 'protocols', default: '>=TLSv1', group: server, option: 'tls.protocols', since: '2.6', note: 'empty beside a private tls_config_file', doc: 'TLS protocols where TLS is optional; empty leaves it to the OpenSSL configuration file' },
  { name: 'smtpd_tls_mandatory_protocols', type: 'protocols', default: '>=TLSv1', group: server, option: 'tls.mandatoryProtocols', since: '2.3', note: 'empty beside a private tls_config_file', doc: 'TLS protocols where TLS is mandatory' },
  { name: 'smtpd_tls_ciphers', type: 'grade', default: 'medium', group: server, option: 'tls.ciphers', since: '2.6', doc: 'lowest cipher grade where TLS is optional: high, medium, null (TLS 1.2 and older)' },
  { name: 'smtpd_tls_mandatory_ciphers', type: 'grade', default: 'medium', group: server, option: 'tls.mandatoryCiphers', since: '2.3', doc: 'lowest cipher grade where TLS is mandatory' },
  { name: 'smtpd_tls_exclude_ciphers', type: 'exclusions', default: '', group: server, option: 'tls.excludeCiphers', since: '2.3', doc: 'ciphers that are never used' },
  { name: 'smtpd_tls_mandatory_exclude_ciphers', type: 'exclusions', default: '', group: server, option: 'tls.mandatoryExcludeCiphers', since: '2.3', doc: 'ciphers that are not used either where TLS is mandatory' },

  { name: 'smtpd_tls_ask_ccert', type: 'bool', default: 'no', group: server, option: 'tls.askCcert', since: '2.2', doc: 'ask clients for a certificate; having none is fine' },
  { name: 'smtpd_tls_req_ccert', type: 'bool', default: 'no', group: server, option: 'tls.reqCcert', since: '2.2', doc: 'require a trusted client certificate; only where TLS is mandatory' },
  { name: 'smtpd_tls_CAfile', type: 'string', default: '', group: server, option: 'tls.CAfile', since: '2.2', doc: 'PEM file of the CAs that client certificates are trusted by' },
  { name: 'smtpd_tls_CApath', type: 'string', default: '', group: server, option: 'tls.CApath', since: '2.2', doc: 'hashed directory of such CAs' },
  { name: 'smtpd_tls_ccert_verifydepth', type: 'int', default: '9', group: server, option: 'tls.ccertVerifydepth', since: '2.2', min: 0, max: 1000, doc: 'intermediate CA certificates in the chain of a client; one more is let through' },
  { name: 'smtpd_tls_enable_rpk', type: 'bool', default: 'no', group: server, option: 'tls.enableRpk', since: '3.9', doc: 'accept raw public keys from clients (RFC 7250)' },
  { name: 'smtpd_tls_fingerprint_digest', type: 'string', default: '${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}', group: server, option: 'tls.fingerprintDigest', since: '2.5', nonEmpty: true, doc: 'digest of client fingerprints' },

  { name: 'smtpd_tls_session_cache_database', type: 'string', default: '', group: server, option: 'tls.sessionCacheDatabase', since: '2.2', doc: 'cache of the sessions of clients without tickets: `memory:`, `lmdb:FILE`' },
  { name: 'smtpd_tls_session_cache_timeout', type: 'time', default: '3600s', group: server, option: 'tls.sessionCacheTimeout', since: '2.2', min: 0, max: 8_640_000_000, doc: 'life of ticket keys, half the time that a client may resume a session; 0 for no tickets' },
  { name: 'smtpd_tls_always_issue_session_ids', type: 'bool', default: 'yes', group: server, option: 'tls.alwaysIssueSessionIds', since: '2.3', doc: 'give out session ids without a cache, too' },
];
