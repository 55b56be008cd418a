/**
 * What the smtpd engine refuses, as one line in Postfix's words and as an event:
 *
 * `ID: reject: RCPT from NAME[ADDR]: 554 5.7.1 <b@c>: Relay access denied; from=<a@b> to=<b@c>
 * proto=ESMTP helo=<client>`
 */
import { publish } from './events.js';
import type { Logger } from './logger.js';

export interface RejectRecord {
  /** Null before the first recipient of a message was accepted, which logs `NOQUEUE`. */
  readonly queueId: string | null;
  /** `CONNECT`, `MAIL`, `RCPT`, `END-OF-MESSAGE`: what was refused. */
  readonly where: string;
  /** `name[address]` of the client. */
  readonly namaddr: string;
  /** The reply, `554 5.7.1 text`, its lines joined by blanks; or why there is none. */
  readonly reason: string;
  /** Null: not known yet; `` is the null sender. */
  readonly sender: string | null;
  /** Null where there is none, or more than one. */
  readonly recipient: string | null;
  readonly protocol: 'SMTP' | 'ESMTP';
  /** Null before HELO or EHLO. */
  readonly helo: string | null;
}

/** The line. Pure. */
export function rejectLine(record: RejectRecord): string {
  const { queueId, where, namaddr, reason, sender, recipient, protocol, helo } = record;
  const facts = [
    ...(sender === null ? [] : [`from=<${sender}>`]),
    ...(recipient === null ? [] : [`to=<${recipient}>`]),
    `proto=${protocol}`,
    ...(helo === null ? [] : [`helo=<${helo}>`]),
  ];
  return `${queueId ?? 'NOQUEUE'}: reject: ${where} from ${namaddr}: ${reason}; ${facts.join(' ')}`;
}

/** Logs the line; publishes `mxtls:smtpd:reject`. */
export function logReject(logger: Logger, record: RejectRecord): void {
  const line = rejectLine(record);
  logger.info(line);
  publish('mxtls:smtpd:reject', { record, line });
}
