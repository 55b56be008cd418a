import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import {
  checkOptions,
  engineParameters,
  resolveSmtp,
  resolveSmtpd,
} from '../../lib/config/check.js';
import type {
  SmtpdParameters,
  SmtpdTlsOptions,
  SmtpParameters,
  SmtpTlsOptions,
} from '../../lib/config/options.js';
import { expand } from '../../lib/config/expand.js';
import {
  defaultText,
  lookupWith,
  parameters,
  parseParameter,
} from '../../lib/config/parameters.js';
import { editDistance, nearest } from '../../lib/config/suggest.js';

/** Each lists every field of its interface, else the type check fails; the tests compare them with the table. */
const smtpdFields: Record<keyof Omit<SmtpdParameters, 'tls'>, true> = {
  myhostname: true,
  mailName: true,
  banner: true,
  timeout: true,
  starttlsTimeout: true,
  perRequestDeadline: true,
  minDataRate: true,
  messageSizeLimit: true,
  recipientLimit: true,
  recipientOvershootLimit: true,
  lineLengthLimit: true,
  softErrorLimit: true,
  hardErrorLimit: true,
  errorSleepTime: true,
  junkCommandLimit: true,
  clientConnectionCountLimit: true,
  clientNewTlsSessionRateLimit: true,
  anvilRateTimeUnit: true,
  clientEventLimitExceptions: true,
  forbidBareNewline: true,
  forbidBareNewlineRejectCode: true,
  forbidBareNewlineExclusions: true,
  forbidUnauthPipelining: true,
  heloRequired: true,
  discardEhloKeywords: true,
  disableVrfyCommand: true,
  strictRfc821Envelopes: true,
  hideClientSession: true,
  smtputf8Enable: true,
  requiretlsEnable: true,
  requiretlsEsmtpHeader: true,
  saslAuthEnable: true,
  saslSecurityOptions: true,
  saslTlsSecurityOptions: true,
  relayClientcerts: true,
};

const smtpFields: Record<keyof Omit<SmtpParameters, 'tls'>, true> = {
  myhostname: true,
  heloName: true,
  bindAddress: true,
  bindAddress6: true,
  connectTimeout: true,
  heloTimeout: true,
  starttlsTimeout: true,
  mailTimeout: true,
  rcptTimeout: true,
  dataInitTimeout: true,
  dataXferTimeout: true,
  dataDoneTimeout: true,
  rsetTimeout: true,
  quitTimeout: true,
  perRequestDeadline: true,
  minDataRate: true,
  alwaysSendEhlo: true,
  neverSendEhlo: true,
  skip5xxGreeting: true,
  skipQuitResponse: true,
  discardEhloKeywords: true,
  smtputf8Enable: true,
  requiretlsEnable: true,
  requiretlsPolicy: true,
  requiretlsRedactDsn: true,
  saslAuthEnable: true,
  saslSecurityOptions: true,
  saslTlsSecurityOptions: true,
  saslTlsVerifiedSecurityOptions: true,
  lineLengthLimit: true,
  minimalBackoffTime: true,
  logTlsFeatureStatus: true,
  hostLookup: true,
  dnsSupportLevel: true,
  tcpPort: true,
  addressPreference: true,
  randomizeAddresses: true,
  balanceInetProtocols: true,
  mxAddressLimit: true,
  mxSessionLimit: true,
  inetProtocols: true,
  ignoreMxLookupError: true,
  cnameOverridesServername: true,
  tlsrptEnable: true,
  tlsrptSocketName: true,
  tlsrptSkipReusedHandshakes: true,
  tlsproxyServiceName: true,
  connectionCacheTimeLimit: true,
  connectionReuseTimeLimit: true,
  connectionReuseCountLimit: true,
  destinationConcurrencyLimit: true,
};

const libraryFields = {
  configFile: true,
  configName: true,
  highCipherlist: true,
  mediumCipherlist: true,
  nullCipherlist: true,
  eecdhAutoCurves: true,
  ffdheAutoGroups: true,
  preemptCipherlist: true,
  appendDefaultCA: true,
  sessionTicketCipher: true,
  daneDigests: true,
  serverSniMaps: true,
  trustServerCcerts: true,
  disableWorkarounds: true,
  sslOptions: true,
  fastShutdownEnable: true,
  traceRateLimit: true,
} as const;

const roleFields = {
  securityLevel: true,
  chainFiles: true,
  certFile: true,
  keyFile: true,
  dcertFile: true,
  dkeyFile: true,
  eccertFile: true,
  eckeyFile: true,
  wrappermode: true,
  loglevel: true,
  loglevelMaps: true,
  traceSizeLimit: true,
  protocols: true,
  mandatoryProtocols: true,
  ciphers: true,
  mandatoryCiphers: true,
  excludeCiphers: true,
  mandatoryExcludeCiphers: true,
  fingerprintDigest: true,
  CAfile: true,
  CApath: true,
  enableRpk: true,
} as const;

const smtpdTlsFields: Record<keyof SmtpdTlsOptions, true> = {
  ...libraryFields,
  ...roleFields,
  authOnly: true,
  receivedHeader: true,
  dh1024ParamFile: true,
  sessionCacheDatabase: true,
  sessionCacheTimeout: true,
  alwaysIssueSessionIds: true,
  askCcert: true,
  reqCcert: true,
  ccertVerifydepth: true,
};

const smtpTlsFields: Record<keyof SmtpTlsOptions, true> = {
  ...libraryFields,
  ...roleFields,
  sessionCacheDatabase: true,
  connectionReuse: true,
  sessionCacheTimeout: true,
  scertVerifydepth: true,
  servername: true,
  policyMaps: true,
  perSite: true,
  noteStarttlsOffer: true,
  trustAnchorFile: true,
  verifyCertMatch: true,
  secureCertMatch: true,
  fingerprintCertMatch: true,
  daneInsecureMxPolicy: true,
  forceInsecureHostTlsaLookup: true,
  enforceStsMxPatterns: true,
  requiredEnable: true,
};

test.each([
  ['smtpd', smtpdFields, smtpdTlsFields],
  ['smtp', smtpFields, smtpTlsFields],
] as const)('table and interfaces of %s are in step', (engine, fields, tlsFields) => {
  const paths = [...Object.keys(fields), ...Object.keys(tlsFields).map((name) => `tls.${name}`)];
  const rows = engineParameters(engine);
  const known = rows.map((row) => row.option);
  const active = rows.filter((row) => !row.pending).map((row) => row.option);
  expect(paths.filter((path) => !known.includes(path))).toEqual([]);
  expect(active.filter((path) => !paths.includes(path))).toEqual([]);
});

test('option paths follow from the names', () => {
  for (const { name, option } of parameters) {
    const tls = /^(?:smtpd_|smtp_)?tls_(.*)$/.exec(name)?.[1];
    const rest = tls ?? name.replace(/^smtpd?_/, '');
    const camel = rest.replace(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (option !== null) {
      expect(option, name).toBe(tls === undefined ? camel : `tls.${camel}`);
    }
  }
});

test('names and paths are unique, docs are one line, defaults can be read', () => {
  expect(new Set(parameters.map((row) => row.name)).size).toBe(parameters.length);
  for (const row of parameters) {
    expect(row.doc, row.name).toMatch(/^\S[^\n]{10,}[^.\s]$/);
    const text = expand(
      row.name,
      defaultText(row),
      lookupWith(() => undefined),
    );
    expect(() => parseParameter(row.name, text), row.name).not.toThrow();
  }
});

test('a row is at most one of pending and ignored; what is deprecated has a successor', () => {
  for (const row of parameters) {
    expect(row.pending === true && row.ignored !== undefined, row.name).toBe(false);
    expect(row.ignored === undefined || row.option === null, row.name).toBe(true);
    expect(row.deprecated !== true || row.legacy !== undefined, row.name).toBe(true);
    expect(row.postfixDefault === undefined || row.note !== undefined, row.name).toBe(true);
  }
});

test.each([
  ['smtpd_timeout', '300s', 300_000],
  ['smtpd_timeout', ' 300 ', 300_000],
  ['smtpd_timeout', '5M', 300_000],
  ['smtpd_timeout', '2h', 7_200_000],
  ['smtpd_timeout', '1d', 86_400_000],
  ['smtpd_timeout', '1w', 604_800_000],
  ['smtp_connect_timeout', '0', 0],
  ['message_size_limit', '0', 0],
  ['smtpd_tls_enable_rpk', 'Yes', true],
  ['smtpd_tls_enable_rpk', 'no', false],
  ['smtpd_tls_chain_files', '/a.pem, /b.pem\n  /c.pem', ['/a.pem', '/b.pem', '/c.pem']],
  ['smtpd_tls_chain_files', '', []],
  ['smtpd_tls_exclude_ciphers', 'RC4:3DES, aDSS', ['RC4', '3DES', 'aDSS']],
  ['smtpd_tls_ciphers', 'export', 'medium'],
  ['smtpd_tls_security_level', '', 'none'],
  ['smtpd_tls_security_level', 'verify', 'encrypt'],
  ['smtp_tls_security_level', '', 'none'],
  ['smtp_tls_security_level', 'Encrypt', 'encrypt'],
  ['smtp_tls_protocols', '>=TLSv1.2', '>=TLSv1.2'],
  ['smtpd_tls_loglevel', '1 certmatch', '1 certmatch'],
  ['smtpd_forbid_bare_newline', 'Yes', 'normalize'],
  ['smtpd_forbid_bare_newline', 'note', 'note'],
  ['smtp_dns_support_level', '', ''],
  ['smtp_tls_secure_cert_match', 'nexthop:dot-nexthop, x', ['nexthop', 'dot-nexthop', 'x']],
  ['compatibility_level', '3.11', '3.11'],
])('%s = %s', (name, text, value) => {
  expect(parseParameter(name, text)).toEqual(value);
});

test.each([
  ['smtpd_timeout', '5 min', /^smtpd_timeout is "5 min"; write a time such as/],
  ['smtpd_timeout', '0', /^smtpd_timeout is 0s, less than the smallest value 1s/],
  ['smtpd_timeout', '-1', /^smtpd_timeout is "-1"/],
  ['smtpd_tls_enable_rpk', 'true', /^smtpd_tls_enable_rpk is "true"; write yes or no/],
  ['smtpd_recipient_limit', '0', /less than the smallest value 1/],
  ['smtpd_recipient_limit', '12a', /write a whole number/],
  ['smtpd_tls_security_level', 'dane', /^smtpd_tls_security_level: invalid TLS level "dane"/],
  ['smtp_tls_security_level', 'must', /invalid TLS level "must"/],
  ['smtpd_tls_ciphers', 'ultra', /^smtpd_tls_ciphers: invalid cipher grade: "ultra"/],
  [
    'smtpd_tls_exclude_ciphers',
    '!RC4',
    /^smtpd_tls_exclude_ciphers: invalid unary '!\+-@' in cipher exclusion: !RC4/,
  ],
  ['smtpd_tls_protocols', 'TLS1.2', /^smtpd_tls_protocols: Invalid TLS protocol list "TLS1.2"/],
  ['tls_config_file', ' ', /^tls_config_file must not be empty/],
  ['smtpd_banner', 'a\r\n250 b', /^smtpd_banner contains a control character/],
  [
    'smtpd_forbid_bare_newline',
    'constructor',
    /^smtpd_forbid_bare_newline is "constructor"; write one of normalize, reject, note, no$/,
  ],
  ['compatibility_level', '3.11-x', /^compatibility_level is "3.11-x"; write a release/],
  ['smtpd_forbid_bare_newline_reject_code', '200', /less than the smallest value 400/],
])('%s = "%s" is refused', (name, text, message) => {
  expect(() => parseParameter(name, text)).toThrow(
    expect.objectContaining({ code: 'INVALID_PARAMETER', message: expect.stringMatching(message) }),
  );
});

test('a misspelt parameter is refused with the nearest name', () => {
  expect(() => parseParameter('smtpd_tls_chain_file', '/a')).toThrow(
    expect.objectContaining({
      code: 'UNKNOWN_OPTION',
      message: 'unknown parameter "smtpd_tls_chain_file"; did you mean "smtpd_tls_chain_files"?',
    }),
  );
  expect(() => parseParameter('colour', 'red')).toThrow(/^unknown parameter "colour"$/);
});

test('options get the defaults of the table', () => {
  const smtpd = resolveSmtpd({ myhostname: 'mx.example.com', tls: { securityLevel: 'may' } });
  expect(smtpd).toMatchObject({
    banner: 'mx.example.com ESMTP mxtls',
    timeout: 300_000,
    messageSizeLimit: 10_240_000,
    tls: { securityLevel: 'may', protocols: '>=TLSv1', chainFiles: [], ccertVerifydepth: 9 },
  });
  expect(resolveSmtpd({}).myhostname).toBe(hostname());
  expect(resolveSmtp({ myhostname: 'client.example.com' }).heloName).toBe('client.example.com');
  expect(resolveSmtp({}).tls.securityLevel).toBe('may');
});

test('a default that is another parameter follows what was given, whatever its type', () => {
  expect(resolveSmtp({ saslSecurityOptions: ['noplaintext'] })).toMatchObject({
    saslTlsSecurityOptions: ['noplaintext'],
    saslTlsVerifiedSecurityOptions: ['noplaintext'],
  });
  expect(resolveSmtpd({ myhostname: 'a$b' }).banner).toBe('a$b ESMTP mxtls');
  expect(resolveSmtpd({}).forbidBareNewlineExclusions).toContain('127.0.0.0/8');
});

test('a library configuration that was not asked for stays open', () => {
  expect(resolveSmtpd({}).tls).not.toHaveProperty('configFile');
  expect(resolveSmtpd({ tls: { configFile: 'default' } }).tls.configFile).toBe('default');
});

test('a private OpenSSL configuration file sets the protocol bounds unless the options do', () => {
  const configFile = '/etc/mxtls/openssl.cnf';
  expect(resolveSmtpd({ tls: { configFile } }).tls).toMatchObject({
    protocols: '',
    mandatoryProtocols: '',
  });
  expect(resolveSmtp({ tls: { configFile, protocols: '>=TLSv1' } }).tls).toMatchObject({
    protocols: '>=TLSv1',
    mandatoryProtocols: '',
  });
  expect(resolveSmtp({ tls: { configFile: 'default' } }).tls.protocols).toBe('>=TLSv1');
});

test.each([
  [{ tls: { chainFile: [] } }, 'unknown option "tls.chainFile"; did you mean "tls.chainFiles"?'],
  [{ chainFiles: [] }, 'unknown option "chainFiles"; did you mean "tls.chainFiles"?'],
  [
    { smtpd_tls_chain_files: [] },
    'unknown option "smtpd_tls_chain_files"; did you mean "tls.chainFiles"?',
  ],
  [{ onmail: 1 }, 'unknown option "onmail"; did you mean "onMail"?'],
  [{ tls: { CaFile: '' } }, 'unknown option "tls.CaFile"; did you mean "tls.CAfile"?'],
  [{ constructor: 1 }, 'unknown option "constructor"'],
])('misspelt option %o', (options, message) => {
  expect(() => checkOptions(options, 'smtpd', ['onMail'])).toThrow(
    expect.objectContaining({ class: 'usage', code: 'UNKNOWN_OPTION', message }),
  );
});

test.each([
  [{ timeout: '300s' }, 'timeout is a string; give a number of milliseconds'],
  [{ timeout: Number.NaN }, 'timeout is a number; give a number of milliseconds'],
  [{ timeout: 300 }, 'timeout is 0.3s, less than the smallest value 1s'],
  [{ tls: null }, 'tls is not an object; write tls: { securityLevel: ..., chainFiles: [...] }'],
  [{ tls: { chainFiles: '/a.pem' } }, 'tls.chainFiles is a string; give an array of strings'],
  [{ tls: { enableRpk: 'yes' } }, 'tls.enableRpk is a string; give true or false'],
  [{ tls: { securityLevel: null } }, 'tls.securityLevel is null; give a string'],
  [
    { tls: { securityLevel: 'must' } },
    'tls.securityLevel: invalid TLS level "must"; use none, may or encrypt',
  ],
])('wrong option %o', (options, message) => {
  expect(() => checkOptions(options, 'smtpd')).toThrow(
    expect.objectContaining({ class: 'usage', code: 'INVALID_PARAMETER', message }),
  );
});

test('options that are undefined count as absent', () => {
  expect(resolveSmtpd({ timeout: undefined, tls: undefined } as never).timeout).toBe(300_000);
});

test('the edit distance counts insertions, deletions and replacements', () => {
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(editDistance('', 'abc')).toBe(3);
  expect(editDistance('same', 'same')).toBe(0);
  expect(nearest('SMTP_tls_logevel', ['smtp_tls_loglevel', 'smtpd_tls_loglevel'])).toBe(
    'smtp_tls_loglevel',
  );
});
