/** `openssl s_client` of OpenSSL 3.5 with certificates and raw public keys to our smtpd. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/tls/options.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { openssl } from '../helpers/openssl.js';
import { OpensslPeer } from '../helpers/openssl-peer.js';
import { mail, sClient, shows } from '../helpers/s-client.js';
import { startSmtpd } from '../helpers/servers.js';

const kinds = ['ecdsa', 'rsa', 'ed25519', 'ml-dsa-65'] as const;
const self = certificate('ecdsa');
const issued = issuedCertificate();
const asking: SmtpdTlsOptions = {
  securityLevel: 'may',
  chainFiles: [self.chainFile],
  askCcert: true,
  CAfile: authority().certFile,
  enableRpk: true,
  loglevel: '1, peercert, untrusted',
};

async function ourServer(tls: SmtpdTlsOptions) {
  const server = await startSmtpd({ tls });
  return { ...server, address: `127.0.0.1:${server.port}` };
}

const summary = /^\w+ TLS connection .*$/;

test.each(kinds)('%s: a certificate, and raw public keys both ways', async (kind) => {
  const credential = certificate(kind);
  const { address, lines } = await ourServer({
    ...asking,
    chainFiles: [credential.chainFile],
    loglevel: 1,
  });
  const flags = [
    [],
    ['-enable_server_rpk'],
    ['-enable_client_rpk'],
    ['-enable_server_rpk', '-enable_client_rpk'],
  ];
  for (const [i, args] of flags.entries()) {
    const peer = sClient(address, [...shows(credential), ...args]);
    expect(await mail(peer, 'b@example.com')).toMatch(/^250 /);
    const line = lines.matching(summary).at(i) ?? '';
    expect(line).toMatch(/^Untrusted TLS connection established from unknown\[127\.0\.0\.1\]: /);
    const [server = '', client = ''] = line.split(' client-signature ');
    expect(/raw public key\)/.test(server)).toBe(args.includes('-enable_server_rpk'));
    expect(/raw public key\)/.test(client)).toBe(args.includes('-enable_client_rpk'));
  }
});

test.each(['-tls1_2', '-tls1_3'])('%s: raw public keys and certificates', async (version) => {
  const { address, lines } = await ourServer(asking);
  await mail(sClient(address, [version, ...shows(issued), '-enable_client_rpk']), 'b@example.com');
  await mail(sClient(address, [version, ...shows(issued)]), 'b@example.com');
  expect(lines.matching(/fingerprint=/)).toEqual([
    `unknown[127.0.0.1]: raw public key fingerprint=${pkeyFingerprint(issued.certFile)}`,
    expect.stringContaining(`, pkey fingerprint=${pkeyFingerprint(issued.certFile)}`),
  ]);
  expect(lines.matching(summary).map((line) => line.split(' ')[0])).toEqual([
    'Untrusted',
    'Trusted',
  ]);
});

test('gets the names of the CAs that would do', async () => {
  const { port } = await ourServer(asking);
  const peer = new OpensslPeer([
    ...['s_client', '-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-nocommands'],
  ]);
  const names = await peer.hear(/Acceptable client certificate CA names\n[\s\S]*?\nRequested/);
  expect(names).toContain('O=mxtls test, CN=Test Authority');
});

test('a ticket brings the trust of its session back, and no signature', async () => {
  const { address, lines } = await ourServer(asking);
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-session-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [credential, status] of [
    [issued, 'Trusted'],
    [self, 'Untrusted'],
  ] as const) {
    const file = join(folder, status);
    for (const version of ['-tls1_2', '-tls1_3']) {
      const flags = [version, ...shows(credential)];
      await mail(sClient(address, [...flags, '-sess_out', file]), 'b@example.com');
      await mail(sClient(address, [...flags, '-sess_in', file]), 'b@example.com');
      const [full = '', resumed = ''] = lines.matching(summary).slice(-2);
      expect(full).toMatch(new RegExp(`^${status} `));
      expect(resumed).toMatch(new RegExp(`^${status} `));
      expect(full.includes('client-signature')).toBe(version === '-tls1_3');
      expect(resumed).not.toContain('client-signature');
    }
  }
  expect(lines.matching(/re-using/)).toEqual(
    Array(2).fill(
      'unknown[127.0.0.1]: re-using session with untrusted certificate, look for details earlier in the log',
    ),
  );
});

// The recipe of docs/client-credentials.md.
test('a minimal certificate serves as the form of a raw public key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-rpk-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  openssl(
    ...['req', '-x509', '-config', '/dev/null', '-newkey', 'ed25519', '-noenc'],
    ...['-subj', '/', '-days', '36525', '-keyout', key, '-out', cert],
  );
  const chain = join(folder, 'chain.pem');
  writeFileSync(chain, openssl('pkey', '-in', key) + openssl('x509', '-in', cert));
  const { address, received, lines } = await ourServer({
    ...asking,
    chainFiles: [chain],
    loglevel: 1,
  });
  await mail(sClient(address, ['-enable_server_rpk']), 'b@example.com');
  await mail(sClient(address, ['-cert', cert, '-key', key, '-enable_client_rpk']), 'b@example.com');
  expect(received[1]?.session.tls).toMatchObject({
    certificateType: 'rpk',
    peerPkeyFingerprint: pkeyFingerprint(cert),
    client: { algorithm: 'ED25519', rawPublicKey: true },
  });
  expect(lines.matching(summary)[0]).toMatch(/server-signature ED25519 \(raw public key\)$/);
});
