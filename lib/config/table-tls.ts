/** Parameters of both engines' TLS: `tls_*`. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import type { Parameter } from './parameter.js';

const high = 'aNULL:-aNULL:HIGH:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:@STRENGTH';
const medium =
  'aNULL:-aNULL:HIGH:MEDIUM:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:+RC4:@STRENGTH';
const tls = 'tls';
const seeds = 'OpenSSL seeds itself';
const noExport = 'the grade means medium';

// biome-ignore format: a table, one row a line
export const tlsTable: readonly Parameter[] = [
  { name: 'tls_config_file', type: 'string', default: 'none', group: tls, option: 'tls.configFile', since: '3.9', postfixDefault: 'default', note: 'the openssl.cnf of the system is left to others', nonEmpty: true, doc: 'OpenSSL configuration: none, default (the one of the system), or the absolute path of a file' },
  { name: 'tls_config_name', type: 'string', default: '', group: tls, option: 'tls.configName', since: '3.9', doc: 'application name that selects a section of the OpenSSL configuration' },
  { name: 'tls_high_cipherlist', type: 'string', default: high, group: tls, option: 'tls.highCipherlist', since: '2.3', nonEmpty: true, doc: 'OpenSSL cipher list of grade high' },
  { name: 'tls_medium_cipherlist', type: 'string', default: medium, group: tls, option: 'tls.mediumCipherlist', since: '2.3', nonEmpty: true, doc: 'OpenSSL cipher list of grade medium' },
  { name: 'tls_low_cipherlist', type: 'string', default: '', group: tls, option: null, since: '2.3', ignored: noExport, doc: 'OpenSSL cipher list of grade low' },
  { name: 'tls_export_cipherlist', type: 'string', default: '', group: tls, option: null, since: '2.3', ignored: noExport, doc: 'OpenSSL cipher list of grade export' },
  { name: 'tls_null_cipherlist', type: 'string', default: 'eNULL:!kDH:!kECDH:!aDSS:!MD5:!aNULL', group: tls, option: 'tls.nullCipherlist', since: '2.3', nonEmpty: true, doc: 'OpenSSL cipher list of grade null: authentication without encryption' },
  { name: 'tls_preempt_cipherlist', type: 'bool', default: 'no', group: tls, option: 'tls.preemptCipherlist', since: '2.8', doc: 'the order of ciphers of the server wins, not that of the client' },
  { name: 'tls_eecdh_auto_curves', type: 'list', default: '', group: tls, option: 'tls.eecdhAutoCurves', since: '3.2', postfixDefault: '?X25519MLKEM768:DEFAULT', note: 'groups are left to OpenSSL', doc: 'key exchange groups; empty leaves them to OpenSSL and its configuration file' },
  { name: 'tls_ffdhe_auto_groups', type: 'list', default: '', group: tls, option: 'tls.ffdheAutoGroups', since: '3.8', doc: 'finite-field groups, after those of tls_eecdh_auto_curves' },
  { name: 'tls_eecdh_strong_curve', type: 'string', default: 'prime256v1', group: tls, option: null, since: '2.6', ignored: 'groups are negotiated', doc: 'group of smtpd_tls_eecdh_grade strong' },
  { name: 'tls_eecdh_ultra_curve', type: 'string', default: 'secp384r1', group: tls, option: null, since: '2.6', ignored: 'groups are negotiated', doc: 'group of smtpd_tls_eecdh_grade ultra' },
  { name: 'tls_append_default_CA', type: 'bool', default: 'no', group: tls, option: 'tls.appendDefaultCA', since: '2.4.15', doc: 'trust the default roots of the library, too; only beside a CAfile or CApath' },
  { name: 'tls_disable_workarounds', type: 'string', default: '', group: tls, option: 'tls.disableWorkarounds', since: '2.8', doc: 'work-arounds of the library for bugs of others that are switched off' },
  { name: 'tls_ssl_options', type: 'string', default: '', group: tls, option: 'tls.sslOptions', since: '2.11', doc: 'further options of the library' },
  { name: 'tls_fast_shutdown_enable', type: 'bool', default: 'yes', group: tls, option: 'tls.fastShutdownEnable', since: '3.5', doc: 'do not wait for the close-notify of the peer' },
  { name: 'tls_session_ticket_cipher', type: 'string', default: 'aes-256-cbc', group: tls, option: 'tls.sessionTicketCipher', since: '3.0', doc: 'cipher of session tickets; empty for no tickets' },
  { name: 'tls_server_sni_maps', type: 'tables', default: '', group: tls, option: 'tls.serverSniMaps', since: '3.4', doc: 'tables with the chains of server names that clients ask for' },
  { name: 'tls_trust_server_ccerts', type: 'bool', default: 'no', group: tls, option: 'tls.trustServerCcerts', since: '3.12', doc: 'certificates of clients may be for servers only' },
  { name: 'tls_dane_digests', type: 'list', default: 'sha512 sha256', group: tls, option: 'tls.daneDigests', since: '2.11', doc: 'digests of TLSA records that are usable, best first' },
  { name: 'tls_required_enable', type: 'bool', default: 'yes', group: 'smtp', option: 'tls.requiredEnable', since: '3.10', doc: 'heed the header "TLS-Required: no"' },
  { name: 'tls_trace_rate_limit', type: 'int', default: '1', group: tls, option: 'tls.traceRateLimit', since: '3.12', min: 0, max: 2_147_483_647, doc: 'protocol traces in a minute; 0 for no limit' },
  { name: 'tls_wildcard_matches_multiple_labels', type: 'bool', default: 'yes', group: tls, option: null, since: '2.11', ignored: 'a wildcard matches one label', doc: 'a wildcard matches several labels' },

  { name: 'tls_daemon_random_bytes', type: 'int', default: '32', group: tls, option: null, since: '2.2', ignored: seeds, doc: 'bytes of seed from tlsmgr for each session' },
  { name: 'tls_random_source', type: 'string', default: 'dev:/dev/urandom', group: tls, option: null, since: '2.2', ignored: seeds, doc: 'source of entropy' },
  { name: 'tls_random_bytes', type: 'int', default: '32', group: tls, option: null, since: '2.2', ignored: seeds, doc: 'bytes read from it at a time' },
  { name: 'tls_random_exchange_name', type: 'string', default: '${data_directory}/prng_exch', group: tls, option: null, since: '2.2', ignored: seeds, doc: 'file that keeps the state of the generator' },
  { name: 'tls_random_reseed_period', type: 'time', default: '3600s', group: tls, option: null, since: '2.2', ignored: seeds, doc: 'longest time between two seeds' },
  { name: 'tls_random_prng_update_period', type: 'time', default: '3600s', group: tls, option: null, since: '2.2', ignored: seeds, doc: 'longest time between two updates of that file' },
];
