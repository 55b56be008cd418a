/** Parameters of both engines' TLS: `tls_*`. */
import type { Parameter } from './parameter.js';

const high = 'aNULL:-aNULL:HIGH:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:@STRENGTH';
const medium =
  'aNULL:-aNULL:HIGH:MEDIUM:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:+RC4:@STRENGTH';

// biome-ignore format: a table, one row a line
export const tlsTable = [
  { name: 'tls_config_file', type: 'string', default: 'none', group: 'tls', option: 'tls.configFile', postfixDefault: 'default', nonEmpty: true, doc: 'OpenSSL configuration: none, default (the one of the system), or the absolute path of a file' },
  { name: 'tls_config_name', type: 'string', default: '', group: 'tls', option: 'tls.configName', doc: 'application name that selects a section of the OpenSSL configuration' },
  { name: 'tls_high_cipherlist', type: 'string', default: high, group: 'tls', option: 'tls.highCipherlist', nonEmpty: true, doc: 'OpenSSL cipher list of grade high' },
  { name: 'tls_medium_cipherlist', type: 'string', default: medium, group: 'tls', option: 'tls.mediumCipherlist', nonEmpty: true, doc: 'OpenSSL cipher list of grade medium' },
  { name: 'tls_null_cipherlist', type: 'string', default: 'eNULL:!kDH:!kECDH:!aDSS:!MD5:!aNULL', group: 'tls', option: 'tls.nullCipherlist', nonEmpty: true, doc: 'OpenSSL cipher list of grade null: authentication without encryption' },
  { name: 'tls_eecdh_auto_curves', type: 'list', default: '', group: 'tls', option: 'tls.eecdhAutoCurves', postfixDefault: '?X25519MLKEM768:DEFAULT', doc: 'key exchange groups; empty leaves them to OpenSSL and its configuration file' },
  { name: 'tls_ffdhe_auto_groups', type: 'list', default: '', group: 'tls', option: 'tls.ffdheAutoGroups', doc: 'finite-field groups, after those of tls_eecdh_auto_curves' },
  { name: 'tls_preempt_cipherlist', type: 'bool', default: 'no', group: 'tls', option: 'tls.preemptCipherlist', doc: 'the order of ciphers of the server wins, not that of the client' },
  { name: 'tls_append_default_CA', type: 'bool', default: 'no', group: 'tls', option: 'tls.appendDefaultCA', doc: 'trust the default roots of the library, too; only beside a CAfile or CApath' },
] as const satisfies readonly Parameter[];
