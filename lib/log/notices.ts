/** What a server logs about the name that a client asked for, before the handshake's own line. */
import type { NativeNotice } from '../native.js';
import type { Logger } from './logger.js';

/** Logs the notices of a handshake, whatever the loglevel; null: there are none. */
export function logNotices(
  logger: Logger,
  notices: readonly NativeNotice[] | null,
  namaddr: string,
): void {
  for (const { kind, name, later } of notices ?? []) {
    switch (kind) {
      case 'sni-invalid':
        logger.warn(`TLS SNI from ${namaddr} is invalid: ${name}`);
        break;
      case 'sni-changed':
        logger.warn(
          `TLS SNI changed from ${namaddr} initially ${name}, ${later} after hello retry`,
        );
        break;
      default:
        logger.info(`TLS SNI ${name} from ${namaddr} not matched, using default chain`);
    }
  }
}
