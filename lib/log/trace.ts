/**
 * Protocol traces in the log: one line for each line of the trace, behind the peer's name.
 *
 * `mx.example.com[192.0.2.1]: trace: received ClientHello (1), 1530 bytes`
 */
import type { Logger } from './logger.js';

/** @param trace whole lines, as native code hands them over; null: none */
export function logTrace(logger: Logger, namaddr: string, trace: string | null): void {
  for (const line of trace === null ? [] : trace.trimEnd().split('\n')) {
    logger.info(`${namaddr}: trace: ${line}`);
  }
}
