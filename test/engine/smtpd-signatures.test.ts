/**
 * A private OpenSSL configuration file chooses among the chains: SignatureAlgorithms what the server signs with, and
 * ClientSignatureAlgorithms what clients may sign with. Real handshakes: OpenSSL 3.5's s_client knows ML-DSA, node's own TLS does not.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  authority,
  certificate,
  issuedCertificate,
  type KeyAlgorithm,
} from '../helpers/certificates.js';
import { opensslClient } from '../helpers/openssl-client.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { secure } from '../helpers/tls-client.js';

const folder = mkdtempSync(join(tmpdir(), 'mxtls-signatures-'));
const configFile = join(folder, 'openssl.cnf');
writeFileSync(
  configFile,
  `openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
SignatureAlgorithms = mldsa65:ecdsa_secp256r1_sha256
ClientSignatureAlgorithms = ecdsa_secp256r1_sha256
`,
);
afterAll(() => rmSync(folder, { recursive: true }));

async function start(
  askCcert = false,
  algorithms: readonly KeyAlgorithm[] = ['ecdsa', 'ml-dsa-65'],
): Promise<TestServer> {
  return startSmtpd({
    tls: {
      ...{ securityLevel: 'may', loglevel: 1, configFile, askCcert, CAfile: authority().certFile },
      chainFiles: algorithms.map((algorithm) => certificate(algorithm).chainFile),
    },
  });
}

async function summaryOf({ port, lines }: TestServer, ...args: string[]): Promise<string> {
  await opensslClient(port, ...args);
  return lines.line(/ TLS connection established /);
}

test('a client that knows ML-DSA gets it', async () => {
  expect(await summaryOf(await start())).toMatch(/ server-signature ML-DSA-65$/);
});

test('a client whose own choice is ECDSA gets that', async () => {
  const args = ['-sigalgs', 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256'];
  expect(await summaryOf(await start(), ...args)).toMatch(
    / server-signature ECDSA \(prime256v1\) server-digest SHA256$/,
  );
});

test('a client without ML-DSA gets ECDSA: node, and TLS 1.2', async () => {
  const modern = await start();
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const plain = await RawClient.greeted(modern.port);
    await plain.command('STARTTLS');
    const client = await secure(plain, { maxVersion });
    const key = client.secured.getPeerX509Certificate()?.publicKey;
    expect(key?.asymmetricKeyType).toBe('ec');
  }
  expect(await modern.lines.line(/TLSv1\.3 with cipher/)).toMatch(
    / server-signature ECDSA \(prime256v1\) server-digest SHA256$/,
  );
  expect(await modern.lines.line(/TLSv1\.2 with cipher/)).toContain('ECDHE-ECDSA-');
});

test('a client that only knows what the file does not name gets no TLS, though there is a chain for it', async () => {
  const { port, lines } = await start(false, ['rsa', 'ed25519', 'ecdsa', 'ml-dsa-65']);
  await opensslClient(port, '-sigalgs', 'rsa_pss_rsae_sha256:ed25519', '-tls1_3').catch(
    () => undefined,
  );
  expect(await lines.line(/problem/)).toMatch(/no suitable signature algorithm|no shared/);
});

test('the client is told the algorithms it may sign with, and signs with one of them', async () => {
  const server = await start(true);
  const { certFile, keyFile } = issuedCertificate();
  expect(await summaryOf(server, '-cert', certFile, '-key', keyFile)).toMatch(
    /^Trusted TLS .* server-signature ML-DSA-65 client-signature ECDSA \(prime256v1\) client-digest SHA256$/,
  );
});

test('a client certificate of another algorithm is not presented', async () => {
  const server = await start(true);
  const { certFile, keyFile } = certificate('rsa');
  expect(readFileSync(certFile, 'utf8')).toContain('BEGIN CERTIFICATE');
  expect(await summaryOf(server, '-cert', certFile, '-key', keyFile)).toMatch(
    /^Anonymous TLS .* server-signature ML-DSA-65$/,
  );
});

// OpenSSL 3.5 chooses a TLS 1.2 cipher by the chains that are there and not by SignatureAlgorithms, so a chain that these leave
// out stands in the way of clients that would rather have it: docs/certificates.md says to leave it out of the files, too.
test('a TLS 1.2 client that prefers RSA fails where there is an RSA chain that may not sign', async () => {
  const ciphers = 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256';
  const sessions = [
    { server: await start(false, ['rsa', 'ecdsa']), expected: /no suitable signature algorithm/ },
    { server: await start(false, ['ecdsa']), expected: /cipher ECDHE-ECDSA-AES128-GCM-SHA256/ },
  ];
  for (const { server, expected } of sessions) {
    const plain = await RawClient.greeted(server.port);
    await plain.command('STARTTLS');
    const client = await secure(plain, { maxVersion: 'TLSv1.2', ciphers }).catch(() => null);
    expect(await server.lines.line(/problem|TLS connection/)).toMatch(expected);
    client?.secured.destroy();
  }
});
