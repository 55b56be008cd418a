/**
 * What a delivery is asked for and what comes of it.
 */
import type { DeliveryStatus, Delays } from '../log/delivery.js';
import type { TlsSnapshot } from '../tls/snapshot.js';

/** Content of a message: whole, or as a stream of parts. Line ends may be LF. */
export type MessageContent = Buffer | string | AsyncIterable<Buffer | string>;

export interface DeliveryRequest {
  /** `` is the null sender. */
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly message: MessageContent;
  /** `[host]:port` */
  readonly nexthop: string;
  /** When the message entered the caller's queue, in milliseconds since the epoch; default: now. */
  readonly arrivalTime?: number;
  /** Names the message in the log; default: one is made. */
  readonly queueId?: string;
  /** The content may have bytes above 127 (default); `7bit` promises that it has none. */
  readonly encoding?: '7bit' | '8bit';
}

/** What came of one recipient. */
export interface RecipientResult {
  readonly recipient: string;
  readonly status: DeliveryStatus;
  /** Enhanced status code. */
  readonly dsn: string;
  /** The server's reply, or our reason. */
  readonly reply: string;
  /** `host[address]:port`; null when no server was reached. */
  readonly relay: string | null;
  /** Seconds since the message arrived. */
  readonly delay: number;
  readonly delays: Delays;
  /** The `tls=` field of the delivery record: `may`, `may:none`, `may?`. */
  readonly tlsFeature: string;
}

export interface DeliveryReport {
  readonly queueId: string;
  /** In the order of the request, each exactly once. */
  readonly recipients: readonly RecipientResult[];
  /** The TLS session of the last connection; null in plaintext or without one. */
  readonly tls: TlsSnapshot | null;
}
