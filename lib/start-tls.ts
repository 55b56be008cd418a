/**
 * The change from plaintext to TLS, and the one rule about plaintext that is left over at that moment.
 *
 * What a client had sent behind STARTTLS must not be read as if it had come through TLS: the server
 * throws it away. What a server had sent behind its 220 is an injection in the making: the client
 * gives the connection up (CVE-2011-0411 and its relatives). Engines and {@link Connection} come here.
 */
import { TlsError } from './errors.js';
import type { NativeConnection, NativeContext, StartTlsProps } from './native.js';

/** The side of the handshake. */
export type Role = 'server' | 'client';

/** Whoever may hold bytes that were read and not yet used. */
export interface PlaintextHolder {
  readonly buffered: number;
  /** Throws them away. */
  clear(): void;
}

/** @throws TlsError `EARLY_PLAINTEXT` on the client when something is left over; it is thrown away on both sides */
export function refuseLeftover(role: Role, holder: PlaintextHolder): void {
  const { buffered } = holder;
  if (buffered === 0) {
    return;
  }
  holder.clear();
  if (role === 'client') {
    throw new TlsError({
      code: 'EARLY_PLAINTEXT',
      message: `the server sent ${buffered} bytes of plaintext ahead of the TLS handshake`,
    });
  }
}

/**
 * Applies the rule and begins the handshake; `onHandshake` follows.
 *
 * @throws TlsError `EARLY_PLAINTEXT`, or what {@link NativeConnection.startTls} throws
 */
export function changeToTls(
  connection: NativeConnection,
  role: Role,
  holder: PlaintextHolder,
  context: NativeContext,
  props: StartTlsProps | null,
): void {
  refuseLeftover(role, holder);
  connection.startTls(context, props);
}
