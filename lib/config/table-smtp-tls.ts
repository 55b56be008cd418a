/** TLS of the smtp engine: `smtp_tls_*`. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import type { Parameter } from './parameter.js';

const client = 'smtp';
const chains = 'smtp_tls_chain_files';

// biome-ignore format: a table, one row a line
export const smtpTlsTable: readonly Parameter[] = [
  { name: 'smtp_tls_security_level', type: 'client-level', default: '${{$compatibility_level} <level {3.11} ? {} : {may}}', group: client, option: 'tls.securityLevel', since: '2.3', doc: 'none (or empty), may: TLS if offered, encrypt: required' },
  { name: 'smtp_tls_policy_maps', type: 'list', default: '', group: client, option: 'tls.policyMaps', since: '2.3', pending: true, doc: 'tables with level and attributes of single destinations' },
  { name: 'smtp_tls_per_site', type: 'list', default: '', group: client, option: 'tls.perSite', since: '2.2', pending: true, legacy: 'smtp_tls_policy_maps', deprecated: true, doc: 'tables with NONE, MAY, MUST or MUST_NOPEERMATCH of single hosts' },
  { name: 'smtp_tls_enforce_peername', type: 'bool', default: 'yes', group: client, option: null, since: '2.2', legacy: 'smtp_tls_security_level', doc: 'smtp_enforce_tls means verify, not encrypt' },
  { name: 'smtp_tls_wrappermode', type: 'bool', default: 'no', group: client, option: 'tls.wrappermode', since: '3.0', doc: 'TLS from the first byte (port 465); needs level encrypt or stronger' },
  { name: 'smtp_tls_servername', type: 'string', default: '', group: client, option: 'tls.servername', since: '3.4', doc: 'server name to send: a host name, "hostname" for the name of the server, "nexthop" for that of the destination; empty for none' },
  { name: 'smtp_tls_connection_reuse', type: 'bool', default: 'no', group: client, option: 'tls.connectionReuse', since: '3.4', pending: true, doc: 'keep TLS connections open for further messages' },
  { name: 'smtp_tls_note_starttls_offer', type: 'bool', default: 'no', group: client, option: 'tls.noteStarttlsOffer', since: '2.2', pending: true, doc: 'log the servers that offer STARTTLS while the level is none' },
  { name: 'smtp_tls_block_early_mail_reply', type: 'bool', default: 'no', group: client, option: 'tls.blockEarlyMailReply', since: '2.7', pending: true, legacy: 'the default', doc: 'give a session up when the reply to MAIL comes ahead of the command (CVE-2009-3555)' },
  { name: 'smtp_tls_loglevel', type: 'loglevel', default: '0', group: client, option: 'tls.loglevel', since: '2.2', doc: 'what is logged about TLS: 0 nothing, 1 one line per handshake, or words' },
  { name: 'smtp_tls_loglevel_maps', type: 'list', default: '', group: client, option: 'tls.loglevelMaps', since: '3.12', pending: true, doc: 'tables with the loglevel of single servers' },
  { name: 'smtp_tls_trace_size_limit', type: 'int', default: '102400', group: client, option: 'tls.traceSizeLimit', since: '3.12', min: 0, max: 2_147_483_647, doc: 'largest protocol trace of one session in bytes; 0 for none' },

  { name: 'smtp_tls_chain_files', type: 'list', default: '', group: client, option: 'tls.chainFiles', since: '3.4', doc: 'PEM files with client keys, each followed by its certificate and the issuers of that' },
  { name: 'smtp_tls_cert_file', type: 'string', default: '', group: client, option: 'tls.certFile', since: '2.2', legacy: chains, doc: 'PEM file of a client certificate, RSA by name, with its issuers' },
  { name: 'smtp_tls_key_file', type: 'string', default: '$smtp_tls_cert_file', group: client, option: 'tls.keyFile', since: '2.2', legacy: chains, doc: 'PEM file of its private key' },
  { name: 'smtp_tls_dcert_file', type: 'string', default: '', group: client, option: 'tls.dcertFile', since: '2.2', legacy: chains, doc: 'PEM file of another certificate, DSA by name' },
  { name: 'smtp_tls_dkey_file', type: 'string', default: '$smtp_tls_dcert_file', group: client, option: 'tls.dkeyFile', since: '2.2', legacy: chains, doc: 'PEM file of its private key' },
  { name: 'smtp_tls_eccert_file', type: 'string', default: '', group: client, option: 'tls.eccertFile', since: '2.6', legacy: chains, doc: 'PEM file of a third certificate, ECDSA by name' },
  { name: 'smtp_tls_eckey_file', type: 'string', default: '$smtp_tls_eccert_file', group: client, option: 'tls.eckeyFile', since: '2.6', legacy: chains, doc: 'PEM file of its private key' },

  { name: 'smtp_tls_protocols', type: 'protocols', default: '>=TLSv1', group: client, option: 'tls.protocols', since: '2.6', note: 'empty beside a private tls_config_file', doc: 'TLS protocols at level may; empty leaves it to the OpenSSL configuration file' },
  { name: 'smtp_tls_mandatory_protocols', type: 'protocols', default: '>=TLSv1', group: client, option: 'tls.mandatoryProtocols', since: '2.3', note: 'empty beside a private tls_config_file', doc: 'TLS protocols above level may' },
  { name: 'smtp_tls_ciphers', type: 'grade', default: 'medium', group: client, option: 'tls.ciphers', since: '2.6', doc: 'lowest cipher grade at level may: high, medium, null (TLS 1.2 and older)' },
  { name: 'smtp_tls_mandatory_ciphers', type: 'grade', default: 'medium', group: client, option: 'tls.mandatoryCiphers', since: '2.3', doc: 'lowest cipher grade above level may' },
  { name: 'smtp_tls_exclude_ciphers', type: 'exclusions', default: '', group: client, option: 'tls.excludeCiphers', since: '2.3', doc: 'ciphers that are never used' },
  { name: 'smtp_tls_mandatory_exclude_ciphers', type: 'exclusions', default: '', group: client, option: 'tls.mandatoryExcludeCiphers', since: '2.3', doc: 'ciphers that are not used either above level may' },

  { name: 'smtp_tls_CAfile', type: 'string', default: '', group: client, option: 'tls.CAfile', since: '2.2', doc: 'PEM file of the CAs that server certificates are trusted by' },
  { name: 'smtp_tls_CApath', type: 'string', default: '', group: client, option: 'tls.CApath', since: '2.2', doc: 'hashed directory of such CAs' },
  { name: 'smtp_tls_scert_verifydepth', type: 'int', default: '9', group: client, option: 'tls.scertVerifydepth', since: '2.2', min: 0, max: 1000, doc: 'most CA certificates in the chain of a server' },
  { name: 'smtp_tls_trust_anchor_file', type: 'list', default: '', group: client, option: 'tls.trustAnchorFile', since: '2.11', pending: true, doc: 'PEM files of trust anchors instead of the CAs, at levels verify and secure' },
  { name: 'smtp_tls_verify_cert_match', type: 'colon-list', default: 'hostname', group: client, option: 'tls.verifyCertMatch', since: '2.3', pending: true, nonEmpty: true, doc: 'names that a server certificate may have at level verify' },
  { name: 'smtp_tls_secure_cert_match', type: 'colon-list', default: 'nexthop, dot-nexthop', group: client, option: 'tls.secureCertMatch', since: '2.3', pending: true, nonEmpty: true, doc: 'names that a server certificate may have at level secure' },
  { name: 'smtp_tls_fingerprint_cert_match', type: 'list', default: '', group: client, option: 'tls.fingerprintCertMatch', since: '2.5', pending: true, doc: 'fingerprints that a server credential may have at level fingerprint' },
  { name: 'smtp_tls_fingerprint_digest', type: 'string', default: '${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}', group: client, option: 'tls.fingerprintDigest', since: '2.5', nonEmpty: true, doc: 'digest of server fingerprints' },
  { name: 'smtp_tls_enable_rpk', type: 'bool', default: 'no', group: client, option: 'tls.enableRpk', since: '3.9', doc: 'ask servers for a raw public key (RFC 7250)' },
  { name: 'smtp_tls_dane_insecure_mx_policy', type: 'enum', values: ['dane', 'encrypt', 'may'], default: 'dane', group: client, option: 'tls.daneInsecureMxPolicy', since: '3.1', pending: true, doc: 'level dane where the MX records are not signed and those of the host are: dane, encrypt, may' },
  { name: 'smtp_tls_force_insecure_host_tlsa_lookup', type: 'bool', default: 'no', group: client, option: 'tls.forceInsecureHostTlsaLookup', since: '2.11', pending: true, doc: 'look for TLSA records of hosts without signed addresses, too; for tests' },
  { name: 'smtp_tls_enforce_sts_mx_patterns', type: 'bool', default: 'yes', group: client, option: 'tls.enforceStsMxPatterns', since: '3.11', pending: true, doc: 'skip hosts that the MX patterns of an MTA-STS policy do not name' },

  { name: 'smtp_tls_session_cache_database', type: 'string', default: '', group: client, option: 'tls.sessionCacheDatabase', since: '2.2', doc: 'where sessions with servers are kept: memory:; empty for nowhere' },
  { name: 'smtp_tls_session_cache_timeout', type: 'time', default: '3600s', group: client, option: 'tls.sessionCacheTimeout', since: '2.2', min: 0, max: 8_640_000_000, doc: 'how long they are kept, two minutes at least; 0 for not at all' },
];
