/**
 * What a delivery is asked for and what comes of it.
 */
import type { DeliveryStatus, Delays } from '../log/delivery.js';
import type { Notify } from '../smtp/envelope.js';
import type { TlsSnapshot } from '../snapshot.js';

/** A message part by part, a Readable for instance. */
export type MessageStream = AsyncIterable<Buffer | string>;

/**
 * Content of a message: whole, as a stream, or a function that makes the stream, `() => createReadStream(file)`. Line ends
 * may be LF.
 *
 * A stream can be read once: for the recipients of one domain, and no second server. The function is called for each
 * domain, and again for each further server; what it throws defers the recipients (`4.3.0`).
 */
export type MessageContent =
  | Buffer
  | string
  | MessageStream
  | (() => MessageStream | Promise<MessageStream>);

/** A recipient with what DSN (RFC 3461) says about it. */
export interface RequestedRecipient {
  readonly address: string;
  /** When a delivery status notification is wanted; empty leaves it to the server. */
  readonly notify?: readonly Notify[];
  /** Original recipient, `rfc822;user@example.org`. */
  readonly orcpt?: string;
}

export interface DeliveryRequest {
  /** `` is the null sender. */
  readonly sender: string;
  readonly recipients: readonly (string | RequestedRecipient)[];
  readonly message: MessageContent;
  /**
   * Where to: `example.com` for its MX hosts, `[mx.example.com]` for this host, each with or without `:port`; several are
   * tried in turn. Default: each recipient's domain.
   */
  readonly nexthop?: string | readonly string[];
  /** When the message entered the caller's queue, in milliseconds since the epoch; default: now. */
  readonly arrivalTime?: number;
  /** Names the message in the log; default: one is made. */
  readonly queueId?: string;
  /** The content may have bytes above 127 (default); `7bit` promises that it has none. */
  readonly encoding?: '7bit' | '8bit';
  /** What a bounce shall contain (RFC 3461). */
  readonly ret?: 'FULL' | 'HDRS';
  /** Names the message in delivery status notifications (RFC 3461). */
  readonly envid?: string;
  /**
   * REQUIRETLS (RFC 8689): the message must not be read by others on its way. How strictly a next hop is held to it is `requiretlsPolicy`:
   * by default a server that cannot prove its identity, or does not promise the same, does not get the message.
   */
  readonly requiretls?: boolean;
  /** Send the content by BDAT where the server offers CHUNKING (RFC 3030); default: by DATA. */
  readonly bdat?: boolean;
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
  /**
   * The `tls=` field of the delivery record: level asked for, and the one reached where it is another (`dane:encrypt`);
   * `?`: undecided; `!`: violated. Null where no host was found.
   */
  readonly tlsFeature: string | null;
  /** The TLS session of the connection that this came of; null in plaintext or without one. */
  readonly tls: TlsSnapshot | null;
}

/** What a bounce of the message is to be like, or another delivery status notification. */
export interface BounceAdvice {
  /** What it may contain of the message; null: up to you. */
  readonly ret: 'FULL' | 'HDRS' | null;
  /** Whether it is to be delivered with `requiretls`. */
  readonly requiretls: boolean;
}

export interface DeliveryReport {
  readonly queueId: string;
  /** In the order of the request, each exactly once. */
  readonly recipients: readonly RecipientResult[];
  /** With REQUIRETLS and `requiretlsRedactDsn`: headers alone, without REQUIRETLS, so that the sender gets to know at all. */
  readonly bounce: BounceAdvice;
  /** The TLS session of the last connection; null in plaintext or without one. */
  readonly tls: TlsSnapshot | null;
}
