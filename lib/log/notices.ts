/**
 * What is logged before a handshake's own line: by a server about the name that a client asked for and about session
 * tickets, by a client about what cannot be matched. Texts of Postfix.
 */
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
      case 'ticket-issued':
        logger.info(`${namaddr}: Issuing session ticket, key expiration: ${name}`);
        break;
      case 'ticket-taken':
        logger.info(`${namaddr}: Decrypting session ticket, key expiration: ${name}`);
        break;
      case 'tlsa-unusable':
        logger.warn(`${namaddr}: unusable TLSA RR: ${name}`);
        break;
      case 'tlsa-none':
        logger.warn(`${namaddr}: all TLSA records unusable`);
        break;
      case 'tlsa-fallback':
        logger.warn(`${namaddr}: all TLSA records unusable, fallback to unauthenticated TLS`);
        break;
      case 'no-names':
        logger.warn(`${namaddr}: could not configure peer name checks`);
        break;
      case 'sni-unmatched':
        logger.info(`TLS SNI ${name} from ${namaddr} not matched, using default chain`);
        break;
      default: // of sessions: who keeps them tells of them
    }
  }
}
