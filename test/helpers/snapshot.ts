/** Snapshots for tests: a TLS 1.3 session without any credential, changed by what the test is about. */
import type { SignatureInfo, TlsSnapshot } from '../../lib/snapshot.js';

const plain: TlsSnapshot = {
  status: 'Anonymous',
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  cipherUsedBits: 256,
  cipherAlgorithmBits: 256,
  mac: null,
  group: 'X25519MLKEM768',
  server: null,
  client: null,
  sni: null,
  resumed: false,
  ticket: false,
  certificateType: null,
  peerCertFingerprint: null,
  peerPkeyFingerprint: null,
  peerSubject: null,
  peerIssuer: null,
  verifyError: null,
  matched: null,
  tlsaFallback: false,
};

export function makeSnapshot(fields: Partial<TlsSnapshot> = {}): TlsSnapshot {
  return Object.freeze({ ...plain, ...fields });
}

export function makeSignature(
  algorithm: string,
  fields: Partial<SignatureInfo> = {},
): SignatureInfo {
  return { algorithm, curve: null, bits: null, digest: null, rawPublicKey: false, ...fields };
}
