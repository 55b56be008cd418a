/** Fingerprints of a certificate file as the openssl program tells them: what our own are compared with. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { openssl } from './openssl.js';

/** Of the certificate, upper-case hex with colons. */
export function certFingerprint(file: string, digest = 'sha256'): string {
  const line = openssl('x509', '-in', file, '-noout', '-fingerprint', `-${digest}`);
  return line.trim().replace(/^.*=/, '');
}

/** Of its public key. */
export function pkeyFingerprint(file: string, digest = 'sha256'): string {
  const key = new X509Certificate(readFileSync(file)).publicKey;
  const der = key.export({ type: 'spki', format: 'der' });
  const hex = createHash(digest).update(der).digest('hex').toUpperCase();
  return hex.replace(/..(?=.)/g, '$&:');
}
