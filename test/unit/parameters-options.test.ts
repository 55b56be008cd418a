/** From parameters to the options of the classes, and what is said about them on the way. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { resolveSmtp, resolveSmtpd } from '../../lib/config/check.js';
import {
  mergeSettings,
  optionsFromParameters,
  readAssignments,
} from '../../lib/config/from-parameters.js';
import { parseMainCf } from '../../lib/config/main-cf.js';

const fromMainCf = (content: string, engine: 'smtpd' | 'smtp' | null = null) =>
  optionsFromParameters(parseMainCf(content, 'main.cf'), engine);

const fromLine = (...assignments: readonly string[]) =>
  optionsFromParameters(readAssignments(assignments));

test('parameters become options of both engines, general ones of each', () => {
  const options = fromLine(
    'myhostname=mx.example.com',
    'smtpd_tls_security_level=fingerprint',
    'smtpd_tls_CAfile=/ca.pem',
    'smtp_tls_loglevel=1',
    'tls_config_file=/ssl.cnf',
    'tls_config_name=mail',
    'smtpd_banner=$myhostname ESMTP $$ ${mail_name} $(mail_name)${stress?x}',
  );
  const library = { configFile: '/ssl.cnf', configName: 'mail' };
  expect(options).toEqual({
    smtpd: {
      myhostname: 'mx.example.com',
      banner: 'mx.example.com ESMTP $ mxtls mxtls',
      underStress: { banner: 'mx.example.com ESMTP $ mxtls mxtlsx' },
      tls: { securityLevel: 'encrypt', CAfile: '/ca.pem', ...library },
    },
    smtp: { myhostname: 'mx.example.com', tls: { loglevel: '1', ...library } },
    library,
    warnings: ['smtpd_tls_security_level: unsupported TLS level "fingerprint", using "encrypt"'],
  });
});

test.each([
  ['smtpd_banner=$smtpd_banner', /refers to itself: smtpd_banner -> smtpd_banner/],
  ['smtpd_banner=$foo', /"\$foo" is no parameter; write "\$\$" for a dollar sign/],
  ['myhostname=mx.$mydomain', /refers to itself: myhostname -> mydomain -> mydomain/],
])('%s is refused', (assignment, message) => {
  expect(() => fromLine(assignment)).toThrow(message);
});

test('the domain is that of the host unless it is set', () => {
  expect(fromLine('myhostname=mx.example.com', 'smtp_helo_name=$mydomain').smtp.heloName).toBe(
    'example.com',
  );
  expect(fromLine('myhostname=mx', 'smtp_helo_name=$mydomain').smtp.heloName).toBe('localdomain');
  expect(fromLine('myhostname=mx.$mydomain', 'mydomain=example.org').smtp.myhostname).toBe(
    'mx.example.org',
  );
});

test('defaults follow what is set and is no option: release, stress, older names', () => {
  const older = fromLine('compatibility_level=3.5');
  expect(older.smtp.tls).toEqual({ securityLevel: 'none', fingerprintDigest: 'md5' });
  expect(older.smtpd.tls).toEqual({ fingerprintDigest: 'md5' });
  expect(resolveSmtp(older.smtp).tls.securityLevel).toBe('none');
  expect(fromLine('stress=yes').smtpd).toMatchObject({
    timeout: 10_000,
    starttlsTimeout: 10_000,
    hardErrorLimit: 1,
  });
  expect(fromLine('smtp_per_record_deadline=yes')).toMatchObject({
    smtp: { perRequestDeadline: true },
    warnings: [],
  });
});

test('what belongs to a service of its own is no option of the engines, and no warning', () => {
  expect(fromLine('tlsproxy_tls_security_level=may', 'tlsmgr_service_name=x')).toEqual({
    ...{ smtpd: {}, smtp: {}, library: {}, warnings: [] },
  });
});

test.each([
  ['tls_random_source=dev:/dev/urandom', 'tls_random_source is ignored: OpenSSL seeds itself'],
  ['smtpd_tls_dh512_param_file=/x', 'smtpd_tls_dh512_param_file is ignored: export ciphers are'],
  ['smtpd_use_tls=yes', 'smtpd_use_tls is out of use; use smtpd_tls_security_level'],
  [
    'smtpd_tls_eecdh_grade=auto',
    'smtpd_tls_eecdh_grade is ignored: groups are negotiated, as with auto; use the default',
  ],
  ['smtp_tls_per_site=x:y', 'smtp_tls_per_site is out of use; use smtp_tls_policy_maps'],
  [
    'smtp_tls_cipherlist=x',
    'smtp_tls_cipherlist is no longer one of Postfix; use smtp_tls_ciphers',
  ],
])('%s: %s', (assignment, warning) => {
  expect(fromLine(assignment).warnings).toEqual([expect.stringContaining(`parameter ${warning}`)]);
});

test('parameters of lmtp and postscreen are out of scope', () => {
  const { warnings } = fromMainCf(
    'lmtp_tls_loglevel = 1\npostscreen_greet_wait = 6s\nlmtp_tls_CAfile = /x\n',
  );
  expect(warnings).toEqual([
    'mxtls has no lmtp; passed over: lmtp_tls_loglevel, lmtp_tls_CAfile',
    'mxtls has no postscreen; passed over: postscreen_greet_wait',
  ]);
});

test('what is for Postfix only is one line, however much it is', () => {
  const content = `inet_interfaces = all
mydestination = $myhostname, localhost
relayhost =
mailbox_size_limit = 0
dovecot_destination_recipient_limit = 1
my_ca = /ca.pem
smtp_tls_CAfile = $my_ca
`;
  expect(fromMainCf(content)).toMatchObject({
    smtp: { tls: { CAfile: '/ca.pem' } },
    warnings: [
      'mxtls does not have 5 of these parameters of Postfix: inet_interfaces, mydestination, relayhost, ...',
    ],
  });
});

test('an unknown name is a warning in main.cf, an error on the command line', () => {
  expect(fromMainCf('a = 1\nsmtp_tls_logevel = 1\nrelay_host = x\n').warnings).toEqual([
    'main.cf, line 1: unknown parameter "a"',
    'main.cf, line 2: unknown parameter "smtp_tls_logevel"; did you mean "smtp_tls_loglevel"?',
    'main.cf, line 3: unknown parameter "relay_host"; did you mean "relayhost"?',
  ]);
  expect(() => fromLine('smtpd_tls_chain_file=/a')).toThrow(
    expect.objectContaining({ class: 'usage', code: 'UNKNOWN_OPTION' }),
  );
  expect(fromLine('my=x', 'smtp_helo_name=$my.example')).toMatchObject({
    smtp: { heloName: 'x.example' },
    warnings: [],
  });
});

test('a name that is set again says so', () => {
  expect(fromMainCf('smtp_tls_loglevel = 1\nsmtp_tls_loglevel = 2\n')).toMatchObject({
    smtp: { tls: { loglevel: '2' } },
    warnings: ['main.cf, line 2: smtp_tls_loglevel is set again, and this value counts'],
  });
});

test.each([
  [
    'smtpd_helo_required = maybe',
    'main.cf, line 1: smtpd_helo_required is "maybe"; write yes or no',
  ],
  [
    '\nsmtpd_banner = $foo',
    'main.cf, line 2: smtpd_banner: "$foo" is no parameter; write "$$" for',
  ],
])('a wrong value of main.cf names its line: %j', (content, message) => {
  expect(() => fromMainCf(content)).toThrow(
    expect.objectContaining({
      class: 'config',
      code: 'MAIN_CF',
      message: expect.stringContaining(message),
    }),
  );
});

test('parameters of the other engine are not looked at', () => {
  const content =
    'smtp_tls_security_level = dane\nsmtp_tls_policy_maps = x:y\nsmtpd_timeout = 1s\n';
  expect(fromMainCf(content, 'smtpd')).toEqual({
    smtpd: { timeout: 1000 },
    smtp: {},
    library: {},
    warnings: [],
  });
});

test.each([
  ['smtpd_use_tls = yes', 'smtpd', 'may'],
  ['smtpd_enforce_tls = yes', 'smtpd', 'encrypt'],
  ['smtpd_use_tls = yes\nsmtpd_enforce_tls = yes', 'smtpd', 'encrypt'],
  ['smtpd_use_tls = no', 'smtpd', undefined],
  ['smtpd_use_tls = yes\nsmtpd_tls_security_level = none', 'smtpd', 'none'],
  ['smtp_use_tls = yes\ncompatibility_level = 2', 'smtp', 'may'],
  ['smtp_use_tls = yes\nsmtp_tls_security_level =', 'smtp', 'may'],
  ['smtp_enforce_tls = yes', 'smtp', undefined],
  [
    'smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no\nsmtp_tls_security_level =',
    'smtp',
    'encrypt',
  ],
] as const)('the level of %j', (content, engine, level) => {
  expect(fromMainCf(content)[engine].tls?.securityLevel).toBe(level);
});

test('older level parameters that are overruled say so', () => {
  const { warnings } = fromMainCf('smtp_enforce_tls = yes\n', 'smtp');
  expect(warnings).toContain(
    'parameter smtp_enforce_tls is ignored: smtp_tls_security_level is "may"',
  );
});

test('certificate and key files of older parameters are options of their own', () => {
  const content = `smtpd_tls_cert_file = /rsa.pem
smtpd_tls_key_file = /rsa.key
smtpd_tls_eccert_file = /ec.pem
smtp_tls_dcert_file = /ed25519.pem
smtp_tls_dkey_file = /ed25519.key
`;
  const { smtpd, smtp, warnings } = fromMainCf(content);
  expect(smtpd.tls).toMatchObject({
    certFile: '/rsa.pem',
    keyFile: '/rsa.key',
    eccertFile: '/ec.pem',
  });
  expect(smtp.tls).toMatchObject({ dcertFile: '/ed25519.pem', dkeyFile: '/ed25519.key' });
  expect(warnings).toEqual([]);
});

test('the key of a certificate file is looked for in there, unless it is said where', () => {
  expect(resolveSmtpd({ tls: { certFile: '/rsa.pem', eccertFile: '/ec.pem' } }).tls).toMatchObject({
    keyFile: '/rsa.pem',
    dkeyFile: '',
    eckeyFile: '/ec.pem',
  });
});

test('a main.cf as Debian installs it is read without complaints about Postfix', () => {
  const content = `smtpd_banner = $myhostname ESMTP $mail_name (Debian)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level=may
smtp_tls_CApath=/etc/ssl/certs
smtp_tls_security_level=may
smtp_tls_session_cache_database = btree:\${data_directory}/smtp_scache
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated
    defer_unauth_destination
myhostname = mx.example.com
alias_maps = hash:/etc/aliases
mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
`;
  const { smtpd, warnings } = fromMainCf(content, 'smtpd');
  expect(smtpd).toMatchObject({
    banner: 'mx.example.com ESMTP mxtls (Debian)',
    forbidBareNewlineExclusions: ['127.0.0.0/8', '[::1]/128'],
    tls: { securityLevel: 'may' },
  });
  expect(warnings).toEqual([expect.stringMatching(/^mxtls does not have 7 of these parameters/)]);
});

test('the package itself exports what makes options of a main.cf', async () => {
  const { mergeSettings, optionsFromParameters, readAssignments, readMainCf, Smtp } = await import(
    '../../lib/index.js'
  );
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-main-cf-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'main.cf'), 'smtp_mail_timeout = 2m\nsmtp_tls_loglevel = 1\n');
  const settings = mergeSettings(readMainCf(directory), readAssignments(['smtp_tls_loglevel=0']));
  const { smtp, smtpd, warnings } = optionsFromParameters(settings, 'smtp');
  expect({ smtp, smtpd, warnings }).toEqual({
    smtp: { mailTimeout: 120_000, tls: { loglevel: '0' } },
    smtpd: {},
    warnings: [],
  });
  expect(() => new Smtp(smtp)).not.toThrow();
});

test('defaults of a command give way to main.cf', () => {
  const settings = mergeSettings(
    readAssignments(['smtp_tls_loglevel=1']),
    parseMainCf('smtp_tls_loglevel = 0\n', 'main.cf'),
  );
  expect(optionsFromParameters(settings, 'smtp').smtp.tls?.loglevel).toBe('0');
});
