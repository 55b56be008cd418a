/**
 * Why something could not be delivered: to one recipient, or to a whole server.
 */
import type { DeliveryStatus } from '../log/delivery.js';
import type { ReplyReader } from '../smtp/reply-reader.js';

/**
 * `refused`: by the server's reply or by our policy. `handshake`: the TLS handshake failed.
 * `interrupted`: the connection broke or took too long. `protocol`: the server broke a protocol.
 * `connect`: no connection came about. `ambiguous`: interrupted when the server may have taken the message.
 */
export type FailureKind =
  | 'refused'
  | 'handshake'
  | 'interrupted'
  | 'protocol'
  | 'connect'
  | 'ambiguous';

export interface Failure {
  readonly kind: FailureKind;
  readonly status: Exclude<DeliveryStatus, 'sent'>;
  /** Enhanced status code. */
  readonly dsn: string;
  readonly text: string;
}

/** A failure that may go away. */
export function deferred(kind: FailureKind, dsn: string, text: string): Failure {
  return { kind, status: 'deferred', dsn, text };
}

/** What a server's refusal means: 5xx is final; what is neither 4xx nor 5xx breaks the protocol. */
export function refused(reply: ReplyReader, sentence: string): Failure {
  const digit = Math.floor(reply.code / 100);
  if (digit !== 4 && digit !== 5) {
    return deferred('protocol', '4.5.0', `Protocol error: ${sentence}`);
  }
  const status = digit === 5 ? 'bounced' : 'deferred';
  return { kind: 'refused', status, dsn: reply.status, text: sentence };
}

/** The same failure, but worth another try. */
export function softened(failure: Failure): Failure {
  return { ...failure, status: 'deferred', dsn: failure.dsn.replace(/^5/, '4') };
}
