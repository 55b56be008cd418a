/**
 * The TLS summary line: one line per handshake that says what was negotiated, byte for byte as Postfix writes it.
 *
 * Pure. Key exchange and signatures are told for TLS 1.3 only; a resumed session has no signatures. On a reused
 * connection the original session is described.
 */
import type { SignatureInfo, TlsSnapshot } from '../snapshot.js';
import type { Direction } from './events.js';

export interface TlsSummaryProps {
  readonly snapshot: TlsSnapshot;
  /** `from`: we are the server; `to`: we are the client. */
  readonly direction: Direction;
  /** `reused`: an open connection is used for another message; a resumed session is `established`. */
  readonly use: 'established' | 'reused';
  /** `host[address]` on the server, `host[address]:port` on the client. */
  readonly namaddr: string;
}

/** The line, without a prefix and without a line end. */
export function tlsSummary(props: TlsSummaryProps): string {
  const { snapshot, direction, use } = props;
  const sni = direction === 'from' && snapshot.sni !== null ? ` to ${snapshot.sni}` : '';
  return (
    `${snapshot.status} TLS connection ${use} ${direction} ${lowerCase(props.namaddr)}${sni}:` +
    ` ${snapshot.protocol} with cipher ${snapshot.cipher}` +
    ` (${snapshot.cipherUsedBits}/${snapshot.cipherAlgorithmBits} bits)${tls13Details(snapshot)}`
  );
}

/** Group and signatures; empty below TLS 1.3. */
function tls13Details(snapshot: TlsSnapshot): string {
  if (snapshot.protocol !== 'TLSv1.3') {
    return '';
  }
  const group = snapshot.group === null ? '' : ` key-exchange ${snapshot.group}`;
  return group + signature('server', snapshot.server) + signature('client', snapshot.client);
}

function signature(side: 'server' | 'client', info: SignatureInfo | null): string {
  if (info === null) {
    return '';
  }
  const digest = info.digest === null ? '' : ` ${side}-digest ${info.digest}`;
  return ` ${side}-signature ${info.algorithm}${keyDetails(info)}${digest}`;
}

/** ` (prime256v1 raw public key)`, ` (2048 bits)`, ` (2048 bit raw public key)`, ` (raw public key)`, or nothing. */
function keyDetails(info: SignatureInfo): string {
  if (info.curve !== null) {
    return info.rawPublicKey ? ` (${info.curve} raw public key)` : ` (${info.curve})`;
  }
  if (info.bits !== null) {
    return info.rawPublicKey ? ` (${info.bits} bit raw public key)` : ` (${info.bits} bits)`;
  }
  return info.rawPublicKey ? ' (raw public key)' : '';
}

/** ASCII only, so that nothing else in a name changes. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
