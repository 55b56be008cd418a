/**
 * `TLS-Required: no` (RFC 8689 section 5) in the header of a message that is delivered.
 */
import { findTlsRequired } from '../policy/tls-required.js';
import type { MessageSource } from './message-source.js';
import type { DeliveryService } from './service.js';

/** A message that cannot be read says nothing here; sending it will tell. */
export async function saysTlsRequiredNo(
  source: MessageSource,
  queueId: string,
  { options, logger }: DeliveryService,
): Promise<boolean> {
  if (!options.tls.requiredEnable) {
    return false;
  }
  const headers = await source.headers();
  return findTlsRequired(headers.toString('latin1'), (value) => {
    logger.warn(`${queueId}: ignoring malformed header: "TLS-Required: ${value}"`);
  });
}
