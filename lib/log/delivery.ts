/**
 * The delivery record: one line per recipient that says where a message went, how long it took and how it ended.
 *
 * Postfix's form: `ID: to=<..>, relay=HOST[ADDR]:PORT, delay=D, delays=A/B/C/D, tls=.., dsn=X.Y.Z, status=sent (text)`.
 */
import { publish } from './events.js';
import type { Logger } from './logger.js';

export type DeliveryStatus = 'sent' | 'deferred' | 'bounced';

/** One element of the `tls=` field. */
export interface TlsFeature {
  /** What the policy asked for: a level, or `requiretls`. */
  readonly initial: string;
  /** What it came to; null while undecided. */
  readonly final: string | null;
  /** The policy was violated and the delivery blocked. */
  readonly violated: boolean;
}

/** Seconds: before the delivery began, waiting for a connection, setting it up, sending. */
export type Delays = readonly [queue: number, waiting: number, setup: number, transmission: number];

export interface DeliveryRecord {
  readonly queueId: string;
  readonly recipient: string;
  /** The address before rewriting; null when it is the same. */
  readonly origRecipient: string | null;
  /** `host[address]:port`; null when no server was reached. */
  readonly relay: string | null;
  /** How many messages this connection has carried, this one included. */
  readonly connUse: number;
  /** Seconds since the message arrived. */
  readonly delay: number;
  readonly delays: Delays;
  /** The `tls=` field: `may`, `may:none`, `may?`, `!encrypt`; null leaves it out. */
  readonly tls: string | null;
  /** Enhanced status code. */
  readonly dsn: string;
  readonly status: DeliveryStatus;
  /** The server's reply, or our reason. */
  readonly text: string;
}

/** The line, without a prefix and without a line end. */
export function deliveryLine(record: DeliveryRecord): string {
  const origTo = record.origRecipient === null ? '' : ` orig_to=<${record.origRecipient}>,`;
  const connUse = record.connUse > 1 ? ` conn_use=${record.connUse},` : '';
  const tls = record.tls === null ? '' : ` tls=${record.tls},`;
  return (
    `${record.queueId}: to=<${record.recipient}>,${origTo} relay=${record.relay ?? 'none'},${connUse}` +
    ` delay=${formatDelay(record.delay)}, delays=${record.delays.map(formatDelay).join('/')},${tls}` +
    ` dsn=${record.dsn}, status=${record.status} (${record.text})`
  );
}

/** Logs a record and publishes it as `mxtls:smtp:delivery`. */
export function logDelivery(logger: Logger, record: DeliveryRecord): void {
  const line = deliveryLine(record);
  logger.info(line);
  publish('mxtls:smtp:delivery', { record, line });
}

/** `may`, `may:none`, `may?`, `!secure`; with a second element `dane/requiretls`. */
export function tlsField(level: TlsFeature, requiretls?: TlsFeature): string {
  return requiretls === undefined ? feature(level) : `${feature(level)}/${feature(requiretls)}`;
}

function feature(element: TlsFeature): string {
  const final =
    element.final !== null && element.final !== element.initial ? `:${element.final}` : '';
  const undecided = element.final === null && !element.violated ? '?' : '';
  return `${element.violated ? '!' : ''}${element.initial}${final}${undecided}`;
}

/** Points in time of one delivery, in milliseconds since the epoch, fractions allowed. */
export interface DeliveryTimes {
  /** The message entered the queue. */
  readonly arrival: number;
  /** The delivery began. */
  readonly active: number;
  /** The engine began to look for a connection. */
  readonly handoff: number;
  /** The connection was ready for the message; null when it never was. */
  readonly ready: number | null;
  readonly done: number;
}

/** Delay and delays in seconds; a clock that went back makes a delay 0, never negative. */
export function deliveryDelays(times: DeliveryTimes): {
  readonly delay: number;
  readonly delays: Delays;
} {
  const ready = times.ready ?? times.done;
  return {
    delay: seconds(times.arrival, times.done),
    delays: [
      seconds(times.arrival, times.active),
      seconds(times.active, times.handoff),
      seconds(times.handoff, ready),
      seconds(ready, times.done),
    ],
  };
}

function seconds(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}

const million = 1_000_000;

/**
 * Seconds as Postfix prints them: two significant digits but all digits of whole seconds, at most two decimals
 * (`delay_logging_resolution_limit`), rounded half up at the last digit shown, no zeros at the end: `0.04`, `2.8`, `11`,
 * `4711`.
 */
export function formatDelay(secs: number): string {
  const micros = Math.max(0, Math.round(secs * million));
  const step = micros < million ? 10_000 : micros < 10 * million ? 100_000 : million;
  const hundredths = Math.floor((micros + step / 2) / step) * (step / 10_000);
  return hundredths % 100 === 0
    ? String(hundredths / 100)
    : (hundredths / 100).toFixed(hundredths % 10 === 0 ? 1 : 2);
}
