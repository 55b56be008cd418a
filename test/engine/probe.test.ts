/** Probes of our own smtpd and of `openssl s_server`, with DNS from a table. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { probe } from '../../lib/probe/probe.js';
import { isSatisfied } from '../../lib/probe/result.js';
import { certificate } from '../helpers/certificates.js';
import { zoneDns } from '../helpers/probe-dns.js';
import { startSmtpd } from '../helpers/servers.js';

const chain = certificate('ecdsa');
const key = createHash('sha256')
  .update(
    new X509Certificate(readFileSync(chain.certFile)).publicKey.export({
      type: 'spki',
      format: 'der',
    }),
  )
  .digest('hex');

test('a host with a TLSA record that matches is verified', async () => {
  const { port } = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [chain.chainFile] },
  });
  const dns = zoneDns({
    mx: { 'example.com': ['10 mx.example.com'] },
    a: { 'mx.example.com': ['127.0.0.1'] },
    tlsa: { [`_${port}._tcp.mx.example.com`]: [`3 1 1 ${key}`] },
  });
  const results = await probe({ destination: 'example.com', port, dns, level: 'dane' });
  expect(results).toMatchObject([
    {
      mx: 'mx.example.com',
      mxSecurity: 'secure',
      addressSecurity: 'secure',
      status: 'Verified',
      matched: { kind: 'tlsa', rawPublicKey: true },
      outcome: 'ok',
      dsn: '2.0.0',
      reason: null,
    },
  ]);
  expect(results.every(isSatisfied)).toBe(true);
});
