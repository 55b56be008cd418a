/** tlsproxy_* in the place of the engines' parameters, as the service reads them. */
import { expect, test } from 'vitest';
import { optionsFromParameters, readAssignments } from '../../lib/config/from-parameters.js';
import { tlsproxySettings, tlsproxyWatchdog } from '../../lib/config/tlsproxy-settings.js';

function optionsOf(...assignments: readonly string[]) {
  return optionsFromParameters(tlsproxySettings(readAssignments(assignments)));
}

test('what is not set is what the engine has', () => {
  const { smtpd, smtp } = optionsOf('smtpd_tls_loglevel=2', 'smtp_tls_CAfile=/ca.pem');
  expect(smtpd).toEqual({ tls: { loglevel: '2' } });
  expect(smtp).toEqual({ tls: { CAfile: '/ca.pem' } });
});

test.each([
  ['tlsproxy_tls_chain_files=/b.pem', 'smtpd_tls_chain_files=/a.pem', { chainFiles: ['/b.pem'] }],
  ['tlsproxy_tls_protocols=>=TLSv1.3', 'smtpd_tls_protocols=', { protocols: '>=TLSv1.3' }],
  ['tlsproxy_tls_req_ccert=yes', 'smtpd_tls_req_ccert=no', { reqCcert: true }],
  ['tlsproxy_tls_CAfile=/$$x', 'smtpd_tls_CAfile=/y', { CAfile: '/$x' }],
  ['tlsproxy_tls_loglevel=$smtpd_tls_loglevel', 'smtpd_tls_loglevel=3', { loglevel: '3' }],
  ['tlsproxy_tls_cert_file=/b.pem', 'smtpd_tls_cert_file=/a.pem', { certFile: '/b.pem' }],
])('the server: %s before %s', (own, engine, tls) => {
  expect(optionsOf(own, engine).smtpd.tls).toEqual(tls);
});

test.each([
  ['tlsproxy_client_chain_files=/b.pem', 'smtp_tls_chain_files=/a.pem', { chainFiles: ['/b.pem'] }],
  ['tlsproxy_client_scert_verifydepth=3', 'smtp_tls_scert_verifydepth=5', { scertVerifydepth: 3 }],
  [
    'tlsproxy_client_security_level=may',
    'smtp_tls_security_level=encrypt',
    { securityLevel: 'may' },
  ],
  ['tlsproxy_client_level=may', 'smtp_tls_security_level=encrypt', { securityLevel: 'may' }],
])('the client: %s before %s', (own, engine, tls) => {
  expect(optionsOf(own, engine).smtp.tls).toEqual(tls);
});

test('what is out of use, and what nothing can heed, is a warning', () => {
  const settings = readAssignments([
    ...['tlsproxy_use_tls=yes', 'tlsproxy_client_policy_maps=texthash:/x'],
  ]);
  expect(optionsFromParameters(tlsproxySettings(settings), 'smtpd')).toMatchObject({
    smtpd: { tls: { securityLevel: 'may' } },
    warnings: [
      expect.stringMatching(
        /^parameter tlsproxy_use_tls is out of use; use tlsproxy_tls_security_/,
      ),
      'parameter tlsproxy_client_policy_maps is ignored: the policy comes with each request',
      expect.stringMatching(/^parameter smtpd_use_tls is out of use/),
    ],
  });
});

test('the watchdog has 10 s, and no less', () => {
  expect(tlsproxyWatchdog(new Map())).toBe(10_000);
  expect(tlsproxyWatchdog(readAssignments(['tlsproxy_watchdog_timeout=1m']))).toBe(60_000);
  expect(() => tlsproxyWatchdog(readAssignments(['tlsproxy_watchdog_timeout=9s']))).toThrow(
    'tlsproxy_watchdog_timeout is 9s, less than the smallest value 10s',
  );
});
