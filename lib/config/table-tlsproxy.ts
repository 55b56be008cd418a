/** Parameters of the tlsproxy service: `tlsproxy_*`, most of them the same-named ones of the engines by default. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import type { Parameter, ParameterType } from './parameter.js';

/** Those whose type is not that of a file name or another text. */
const types: Readonly<Record<string, ParameterType>> = {
  always_issue_session_ids: 'bool',
  ask_ccert: 'bool',
  ccert_verifydepth: 'int',
  chain_files: 'list',
  ciphers: 'grade',
  enable_rpk: 'bool',
  enforce_tls: 'bool',
  exclude_ciphers: 'exclusions',
  loglevel: 'loglevel',
  mandatory_ciphers: 'grade',
  mandatory_exclude_ciphers: 'exclusions',
  mandatory_protocols: 'protocols',
  per_site: 'list',
  protocols: 'protocols',
  req_ccert: 'bool',
  scert_verifydepth: 'int',
  use_tls: 'bool',
};

const legacyFiles = /^(?:d|ec)?(?:cert|key)_file$/;

const serverNames =
  'CAfile CApath always_issue_session_ids ask_ccert ccert_verifydepth cert_file ciphers ' +
  'dcert_file dkey_file eccert_file eckey_file exclude_ciphers fingerprint_digest key_file ' +
  'loglevel mandatory_ciphers mandatory_exclude_ciphers mandatory_protocols protocols req_ccert ' +
  'security_level';

const policyComes = 'the policy comes with each request';

const clientNames =
  'CAfile CApath cert_file chain_files dcert_file dkey_file eccert_file eckey_file ' +
  'fingerprint_digest key_file loglevel scert_verifydepth';

export const tlsproxyTable: readonly Parameter[] = [
  {
    name: 'tlsproxy_service_name',
    type: 'string',
    default: 'tlsproxy',
    group: 'smtp',
    option: 'tlsproxyServiceName',
    doc: 'UNIX socket of the tlsproxy that shares connections with TLS among processes',
    note: 'a path; a bare name is none: each process keeps its own connections',
    since: '2.8',
  },
  {
    ...row('tlsproxy_watchdog_timeout', '10s', '2.8', 'time after which a stuck process is ended'),
    type: 'time',
    min: 10_000,
  },

  ...serverNames.split(' ').map((name) => twin(`tlsproxy_tls_${name}`, `smtpd_tls_${name}`, '2.8')),
  twin('tlsproxy_tls_chain_files', 'smtpd_tls_chain_files', '3.4'),
  twin('tlsproxy_tls_enable_rpk', 'smtpd_tls_enable_rpk', '3.9'),
  deprecated(
    twin('tlsproxy_tls_dh1024_param_file', 'smtpd_tls_dh1024_param_file', '2.8'),
    'the default',
  ),
  ignored(
    twin('tlsproxy_tls_dh512_param_file', 'smtpd_tls_dh512_param_file', '2.8'),
    'export ciphers are gone',
  ),
  deprecated(
    ignored(
      twin('tlsproxy_tls_eecdh_grade', 'smtpd_tls_eecdh_grade', '2.8'),
      'groups are negotiated, as with auto',
    ),
    'the default',
  ),
  deprecated(twin('tlsproxy_use_tls', 'smtpd_use_tls', '2.8'), 'tlsproxy_tls_security_level'),
  deprecated(
    twin('tlsproxy_enforce_tls', 'smtpd_enforce_tls', '2.8'),
    'tlsproxy_tls_security_level',
  ),

  ...clientNames
    .split(' ')
    .map((name) => twin(`tlsproxy_client_${name}`, `smtp_tls_${name}`, '3.4')),
  {
    ...twin('tlsproxy_client_security_level', 'smtp_tls_security_level', '3.7'),
    default: '${tlsproxy_client_level?{$tlsproxy_client_level}:{$smtp_tls_security_level}}',
  },
  ignored(
    {
      ...twin('tlsproxy_client_policy_maps', 'smtp_tls_policy_maps', '3.7'),
      default: '${tlsproxy_client_policy?{$tlsproxy_client_policy}:{$smtp_tls_policy_maps}}',
      type: 'list',
    },
    policyComes,
  ),
  ignored(
    row(
      'tlsproxy_client_loglevel_parameter',
      'smtp_tls_loglevel',
      '3.4',
      'name of the parameter that warnings about the loglevel tell',
    ),
    'warnings name smtp_tls_loglevel',
  ),
  deprecated(
    twin('tlsproxy_client_use_tls', 'smtp_use_tls', '3.4'),
    'tlsproxy_client_security_level',
  ),
  deprecated(
    twin('tlsproxy_client_enforce_tls', 'smtp_enforce_tls', '3.4'),
    'tlsproxy_client_security_level',
  ),
  deprecated(
    ignored(twin('tlsproxy_client_per_site', 'smtp_tls_per_site', '3.4'), policyComes),
    'tlsproxy_client_policy_maps',
  ),
];

function row(name: string, text: string, since: string, doc: string): Parameter {
  const rest = name.replace(/^tlsproxy_(?:tls_|client_)?/, '');
  return {
    name,
    type: types[rest] ?? 'string',
    default: text,
    group: 'tlsproxy',
    option: null,
    doc,
    since,
    ...(legacyFiles.test(rest) ? { legacy: name.replace(rest, 'chain_files') } : {}),
  };
}

/** A parameter that is another one's value unless it is set. */
function twin(name: string, of: string, since: string): Parameter {
  return row(name, `$${of}`, since, `the same as ${of}, for tlsproxy`);
}

function deprecated(parameter: Parameter, instead: string): Parameter {
  return { ...parameter, legacy: instead, deprecated: true };
}

function ignored(parameter: Parameter, reason: string): Parameter {
  return { ...parameter, ignored: reason };
}
