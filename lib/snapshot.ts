/**
 * What is known about a TLS session after its handshake: one flat, frozen object.
 *
 * Native code fills it once; nothing here looks into a live connection, so a snapshot may be kept, logged, sent
 * elsewhere and compared long after the connection has gone. It corresponds to the public fields of Postfix's
 * `TLS_SESS_STATE`.
 */

/** How far the peer is known. A server never says `Verified`: it has no name to compare with. */
export type TlsStatus = 'Anonymous' | 'Untrusted' | 'Trusted' | 'Verified';

/** How one side signed the handshake (TLS 1.3). */
export interface SignatureInfo {
  /** `RSA-PSS`, `ECDSA`, `ED25519`, `ML-DSA-65` ...: the library's name for other keys. */
  readonly algorithm: string;
  /** ECDSA: the curve as the library spells it (`prime256v1`); else null. */
  readonly curve: string | null;
  /** RSA: size of the key in bits; else null. */
  readonly bits: number | null;
  /** `SHA256` ...; null where the algorithm has no digest of its own (Ed25519, ML-DSA). */
  readonly digest: string | null;
  /** The key was sent without a certificate (RFC 7250). */
  readonly rawPublicKey: boolean;
}

/** What keeps the peer from being trusted. */
export interface VerifyError {
  /** OpenSSL's `X509_V_ERR_*` number. */
  readonly code: number;
  /** 0 is the peer's own certificate. */
  readonly depth: number;
  readonly text: string;
}

/** What a server's credential was matched by. */
export interface MatchInfo {
  /** `name`: under a trusted CA; `anchor`: under a certificate or key of a trust-anchor file. */
  readonly kind: 'name' | 'tlsa' | 'fingerprint' | 'anchor';
  /**
   * `name`: the certificate's name; `fingerprint`: the digest in hex; else usage, selector, matching type and data,
   * `3 1 1 HEX`; of more than 64 bytes the first and the last 32.
   */
  readonly value: string;
  /** Of the certificate that matched; 0 is the server's own. */
  readonly depth: number;
  /** Name of the certificate that matched a reference name; null where names did not count. */
  readonly peername: string | null;
  /** Matched by a trust anchor's bare public key, which has signed the certificate at `depth`. */
  readonly publicKey: boolean;
  readonly rawPublicKey: boolean;
}

/** One TLS session after its handshake. */
export interface TlsSnapshot {
  readonly status: TlsStatus;
  /** `TLSv1.3`, `TLSv1.2` ... */
  readonly protocol: string;
  readonly cipher: string;
  readonly cipherUsedBits: number;
  readonly cipherAlgorithmBits: number;
  /** TLS 1.2 suites that are not AEAD; else null. */
  readonly mac: string | null;
  /** Key exchange in the library's spelling, for TLS 1.2 too; null without one. */
  readonly group: string | null;
  /** TLS 1.3, not resumed; else null. */
  readonly server: SignatureInfo | null;
  /** TLS 1.3, not resumed, and the client signed; else null. */
  readonly client: SignatureInfo | null;
  /** Client: the name sent, heeded or not. Server that has chains for server names: the valid name that was asked for. */
  readonly sni: string | null;
  readonly resumed: boolean;
  /** Resumed by a ticket and not from a session cache. */
  readonly ticket: boolean;
  /** Kind of the peer's credential; null without one. */
  readonly certificateType: 'x509' | 'rpk' | null;
  /** Digest of the certificate by the role's algorithm: upper-case hex with colons; null for raw public keys. */
  readonly peerCertFingerprint: string | null;
  /** Digest of the public key, likewise. */
  readonly peerPkeyFingerprint: string | null;
  /** Common name; only when Trusted or Verified. */
  readonly peerSubject: string | null;
  /** Common name or organisation of the issuer; only when Trusted or Verified. */
  readonly peerIssuer: string | null;
  readonly verifyError: VerifyError | null;
  /** Null where nothing had to match or nothing did, and on a resumed session: its first handshake knew. */
  readonly matched: MatchInfo | null;
  /** Level `dane` or `halfdane`, and no TLSA record was usable: the session is encrypted, and nothing was matched. */
  readonly tlsaFallback: boolean;
}
