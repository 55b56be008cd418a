/**
 * Everything that is logged is also an event with the same data as fields (`node:diagnostics_channel`).
 *
 * Subscribers run synchronously; without one, publishing costs a look-up and a test. An event is published whatever
 * the loglevel, except `mxtls:log`, which carries the lines that are logged.
 */
import { channel } from 'node:diagnostics_channel';
import type { TlsError } from '../errors.js';
import type { OwnCertificate } from '../native.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { DeliveryRecord } from './delivery.js';
import type { LogService, LogSeverity } from './logger.js';
import type { RejectRecord } from './reject.js';

/** `from`: we are the server; `to`: we are the client. */
export type Direction = 'from' | 'to';

/** A handshake is complete (`established`), or an open TLS connection is used again (`reused`). */
export interface TlsEstablishedEvent {
  readonly direction: Direction;
  readonly use: 'established' | 'reused';
  /** `host[address]` on the server, `host[address]:port` on the client. */
  readonly namaddr: string;
  readonly snapshot: TlsSnapshot;
  /** The summary line. */
  readonly line: string;
}

/** A handshake failed. */
export interface TlsFailedEvent {
  readonly direction: Direction;
  readonly namaddr: string;
  readonly error: TlsError;
  /** The lines logged for it, in order. */
  readonly lines: readonly string[];
}

/** A recipient was delivered, deferred or bounced. */
export interface DeliveryEvent {
  readonly record: DeliveryRecord;
  readonly line: string;
}

/** The server has refused a client, a sender, a recipient or a message. */
export interface RejectEvent {
  readonly record: RejectRecord;
  readonly line: string;
}

/** One line passed through an engine's logger. */
export interface LogEvent {
  readonly service: LogService;
  readonly severity: LogSeverity;
  readonly text: string;
}

/** An engine was to load its certificates anew. */
export type CertificatesReloadEvent =
  | {
      readonly service: LogService;
      readonly error: null;
      /** What is in service now. */
      readonly certificates: readonly OwnCertificate[];
    }
  | {
      readonly service: LogService;
      /** Why the former ones are still in service. */
      readonly error: TlsError;
      readonly certificates: null;
    };

/** One of an engine's own certificates has expired or will soon: told at the start, on a reload, and once a day. */
export interface CertificateExpiringEvent {
  readonly service: LogService;
  readonly certificate: OwnCertificate;
  /** With a fraction; negative once it has expired. */
  readonly daysLeft: number;
  /** The warning. */
  readonly line: string;
}

/** Channel names with what is published on them. */
export interface MxtlsEvents {
  'mxtls:tls:established': TlsEstablishedEvent;
  'mxtls:tls:failed': TlsFailedEvent;
  'mxtls:tls:reload': CertificatesReloadEvent;
  'mxtls:tls:certificate-expiring': CertificateExpiringEvent;
  'mxtls:smtp:delivery': DeliveryEvent;
  'mxtls:smtpd:reject': RejectEvent;
  'mxtls:log': LogEvent;
}

export type EventName = keyof MxtlsEvents;

const channels = {
  'mxtls:tls:established': channel('mxtls:tls:established'),
  'mxtls:tls:failed': channel('mxtls:tls:failed'),
  'mxtls:tls:reload': channel('mxtls:tls:reload'),
  'mxtls:tls:certificate-expiring': channel('mxtls:tls:certificate-expiring'),
  'mxtls:smtp:delivery': channel('mxtls:smtp:delivery'),
  'mxtls:smtpd:reject': channel('mxtls:smtpd:reject'),
  'mxtls:log': channel('mxtls:log'),
} satisfies Record<EventName, unknown>;

/** The names of all channels. */
export const eventNames = Object.freeze(Object.keys(channels)) as readonly EventName[];

/** Somebody subscribes: worth the making of an event that costs something. */
export function observed(name: EventName): boolean {
  return channels[name].hasSubscribers;
}

/** Publishes an event; without subscribers nothing happens. */
export function publish<Name extends EventName>(name: Name, event: MxtlsEvents[Name]): void {
  const target = channels[name];
  if (target.hasSubscribers) {
    target.publish(event);
  }
}
