/** General parameters: of both engines, or there for other parameters to refer to. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import type { Parameter } from './parameter.js';

const general = 'general';

// biome-ignore format: a table, one row a line
export const generalTable: readonly Parameter[] = [
  { name: 'myhostname', type: 'string', default: '', group: 'both', option: 'myhostname', note: 'the default is the name of the machine', doc: 'name of this mail system in greeting, EHLO, replies and Received: headers' },
  { name: 'mydomain', type: 'string', default: '', group: general, option: null, note: 'the default is myhostname without its first label', doc: 'domain of this mail system' },
  { name: 'mail_name', type: 'string', default: 'mxtls', group: 'smtpd', option: 'mailName', postfixDefault: 'Postfix', nonEmpty: true, note: 'this is not Postfix', doc: 'name of the software in the greeting and in Received: headers' },
  { name: 'mail_version', type: 'string', default: '', group: general, option: null, note: 'the default is the version of mxtls', doc: 'version of the software, for a banner that tells it' },
  { name: 'compatibility_level', type: 'release', default: '3.12', group: general, option: null, since: '3.0', postfixDefault: '0', note: 'a new installation of Postfix sets its own release in main.cf', doc: 'release of Postfix whose defaults are meant where they changed since' },
  { name: 'stress', type: 'string', default: '', group: general, option: null, since: '2.5', doc: 'not empty under overload: defaults that refer to it become stricter' },
  { name: 'mynetworks', type: 'list', default: '127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128', group: general, option: null, postfixDefault: '', note: 'Postfix finds out the addresses of the machine', doc: 'networks of clients that are trusted' },
  { name: 'config_directory', type: 'string', default: '/etc/mxtls', group: general, option: null, postfixDefault: '/etc/postfix', note: 'the directory that main.cf is read from, where one is', doc: 'directory of main.cf' },
  { name: 'data_directory', type: 'string', default: '/var/lib/mxtls', group: general, option: null, since: '2.5', postfixDefault: '/var/lib/postfix', note: 'files of Postfix are left to Postfix', doc: 'directory of files that are written, such as caches' },
  { name: 'queue_directory', type: 'string', default: '/var/spool/mxtls', group: general, option: null, postfixDefault: '/var/spool/postfix', note: 'files of Postfix are left to Postfix', doc: 'directory that relative names of sockets belong to' },
  { name: 'anvil_rate_time_unit', type: 'time', default: '60s', group: 'smtpd', option: 'anvilRateTimeUnit', min: 1000, doc: 'time over which the rates of clients are counted' },

  { name: 'smtputf8_enable', type: 'bool', default: '${{$compatibility_level} <level {1} ? {no} : {yes}}', group: 'both', option: 'smtputf8Enable', since: '3.0', doc: 'SMTPUTF8 (RFC 6531): offered to clients, and used where a server offers it' },
  { name: 'requiretls_enable', type: 'bool', default: 'yes', group: 'both', option: 'requiretlsEnable', since: '3.11', doc: 'REQUIRETLS (RFC 8689): offered to clients under TLS, and honoured in delivery' },
  { name: 'requiretls_esmtp_header', type: 'bool', default: 'yes', group: 'smtpd', option: 'requiretlsEsmtpHeader', since: '3.11', doc: 'note a REQUIRETLS request in a header of the message' },
  { name: 'requiretls_redact_dsn', type: 'bool', default: 'yes', group: 'smtp', option: 'requiretlsRedactDsn', since: '3.11', doc: 'bounces of REQUIRETLS messages return headers only and are sent without REQUIRETLS' },
  { name: 'openssl_path', type: 'string', default: 'openssl', group: general, option: null, since: '3.1', ignored: 'no program openssl is run', doc: 'the program openssl' },
  { name: 'tlsmgr_service_name', type: 'string', default: 'tlsmgr', group: 'tlsmgr', option: null, since: '2.11', doc: 'tlsmgr that the commands smtpd and send share sessions by: the path of its UNIX socket, or a redis: address', note: 'a bare name is none' },
];
