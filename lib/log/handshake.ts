/**
 * What is logged about a handshake: the summary line when it succeeds, and the lines of a failure.
 *
 * A failure is one line `SSL_accept error from NAMADDR: REASON` (`SSL_connect error to` on the client). The reason is
 * `-1` when the library has something to say, which follows as `TLS library problem:` warnings; else the system's
 * error text; else `lost connection`.
 */
import { constants } from 'node:os';
import { libraryEntries, type TlsError } from '../errors.js';
import type { TlsSnapshot } from '../snapshot.js';
import { type Direction, publish } from './events.js';
import type { Logger, LogSeverity } from './logger.js';
import type { LogFlags } from './loglevel.js';
import { tlsSummary } from './summary.js';
import { systemErrorText } from './system-error.js';

export interface EstablishedProps {
  readonly snapshot: TlsSnapshot;
  readonly direction: Direction;
  readonly use: 'established' | 'reused';
  readonly namaddr: string;
  readonly flags: LogFlags;
}

/** Logs the summary line when the loglevel wants it; always publishes `mxtls:tls:established`. */
export function logEstablished(logger: Logger, props: EstablishedProps): void {
  const { flags, ...event } = props;
  const line = tlsSummary(event);
  if (flags.summary) {
    logger.info(line);
  }
  publish('mxtls:tls:established', { ...event, line });
}

export interface HandshakeFailureProps {
  readonly direction: Direction;
  readonly namaddr: string;
  readonly error: TlsError;
}

export interface LogLine {
  readonly severity: Exclude<LogSeverity, 'error'>;
  readonly text: string;
}

/** The lines of a failed handshake, in order. Pure. */
export function handshakeFailureLines(props: HandshakeFailureProps): readonly LogLine[] {
  const { direction, namaddr, error } = props;
  const call = direction === 'from' ? 'SSL_accept' : 'SSL_connect';
  return [
    { severity: 'info', text: `${call} error ${direction} ${namaddr}: ${failureReason(error)}` },
    ...libraryProblems(error),
  ];
}

/** Logs the lines of a failed handshake, whatever the loglevel; publishes `mxtls:tls:failed`. */
export function logHandshakeFailure(logger: Logger, props: HandshakeFailureProps): void {
  const lines = handshakeFailureLines(props);
  for (const line of lines) {
    if (line.severity === 'warning') {
      logger.warn(line.text);
    } else {
      logger.info(line.text);
    }
  }
  publish('mxtls:tls:failed', { ...props, lines: lines.map((line) => line.text) });
}

/** OpenSSL's error queue, one warning per entry. */
export function libraryProblems(error: TlsError): readonly LogLine[] {
  return libraryEntries(error).map((entry) => ({
    severity: 'warning',
    text: `TLS library problem: ${entry}`,
  }));
}

function failureReason(error: TlsError): string {
  if (libraryEntries(error).length > 0) {
    return '-1';
  }
  if (error.class === 'timeout') {
    return systemErrorText(constants.errno.ETIMEDOUT);
  }
  if (error.errno !== 0) {
    return systemErrorText(error.errno);
  }
  return error.class === 'closed' ? 'lost connection' : error.message;
}
