/** gnutls-cli and swaks (Debian 13's) with client certificates, gnutls-cli with raw public keys, to our smtpd. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/tls/options.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import {
  forgetDirectory,
  peerInDebian13,
  prepareDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { openssl } from '../helpers/openssl.js';
import { startSmtpd } from '../helpers/servers.js';

const reason = whyNoDebian13();
const issued = issuedCertificate();
const asking: SmtpdTlsOptions = {
  securityLevel: 'may',
  chainFiles: [certificate('ecdsa').chainFile],
  askCcert: true,
  CAfile: authority().certFile,
  enableRpk: true,
  loglevel: 1,
};

test.runIf(process.env['CI'] !== undefined)('gnutls-cli can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('Debian 13', () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-gnutls-'));
  const key = join(directory, 'key.pem');
  const cert = join(directory, 'cert.pem');
  const publicKey = join(directory, 'public.pem');

  beforeAll(() => {
    prepareDebian13();
    copyFileSync(issued.keyFile, key);
    copyFileSync(issued.certFile, cert);
    writeFileSync(publicKey, openssl('pkey', '-in', issued.keyFile, '-pubout'));
  }, 600_000);

  afterAll(() => {
    rmSync(directory, { recursive: true });
    forgetDirectory(directory);
  });

  const dialogue =
    'EHLO client.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nRSET\r\nQUIT\r\n';
  const raw = 'NORMAL:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK';
  const rawClient = 'NORMAL:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-X509';

  test.each<[string, readonly string[], string, string | null, string | null]>([
    ['no certificate', [], 'Anonymous', null, 'ECDSA (prime256v1)'],
    [
      'a certificate',
      ['--x509certfile', cert, '--x509keyfile', key],
      'Trusted',
      'x509',
      'ECDSA (prime256v1)',
    ],
    [
      'a raw public key',
      ['--rawpkfile', publicKey, '--rawpkkeyfile', key, '--priority', rawClient],
      'Untrusted',
      'rpk',
      'ECDSA (prime256v1)',
    ],
    [
      'raw public keys both ways',
      ['--rawpkfile', publicKey, '--rawpkkeyfile', key, '--priority', raw],
      'Untrusted',
      'rpk',
      'ECDSA (prime256v1 raw public key)',
    ],
  ])('gnutls-cli: %s', async (_, options, status, type, signature) => {
    const seen: unknown[] = [];
    const { port, lines } = await startSmtpd({
      tls: asking,
      onRcpt: ({ tls }) => {
        seen.push(tls);
      },
    });
    const command = ['gnutls-cli', '--starttls-proto=smtp', '--no-ca-verification'];
    const { transcript } = await peerInDebian13(
      [...command, ...options, '--port', String(port), '127.0.0.1'],
      directory,
      dialogue,
    );
    expect(seen, transcript).toMatchObject([
      {
        status,
        certificateType: type,
        peerPkeyFingerprint: type === null ? null : pkeyFingerprint(issued.certFile),
      },
    ]);
    expect(transcript).toContain('221 2.0.0 Bye');
    expect(await lines.line(/TLS connection/)).toContain(` server-signature ${signature} `);
  });

  test.each([
    ['no certificate', [], 'Anonymous'],
    ['a certificate', ['--tls-cert', cert, '--tls-key', key], 'Trusted'],
  ])('swaks: %s', async (_, options, status) => {
    const { port, received } = await startSmtpd({ tls: asking });
    const where = ['--server', '127.0.0.1', '--port', String(port), '--helo', 'client.example'];
    const who = ['--from', 'a@example.org', '--to', 'b@example.com', '--tls'];
    const done = await peerInDebian13(['swaks', ...where, ...who, ...options], directory, '');
    expect(done.code, done.transcript).toBe(0);
    expect(received[0]?.session.tls?.status).toBe(status);
  });
});
