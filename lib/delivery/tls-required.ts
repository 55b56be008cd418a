/**
 * `TLS-Required: no` (RFC 8689 section 5) in the header of a message that is delivered.
 */
import { findTlsRequired } from '../policy/tls-required.js';
import type { MessageSource } from './message-source.js';
import type { DeliveryRequest } from './report.js';
import type { DeliveryService } from './service.js';

/** A message that cannot be read says nothing here; sending it will tell. */
export function saysTlsRequiredNo(
  source: MessageSource,
  { requiretls }: DeliveryRequest,
  queueId: string,
  { options, logger }: DeliveryService,
): boolean | Promise<boolean> {
  const overridden = requiretls === true && options.requiretlsEnable;
  if (!options.tls.requiredEnable || overridden) {
    return false;
  }
  const find = (headers: Buffer): boolean =>
    findTlsRequired(headers.toString('latin1'), (value) => {
      logger.warn(`${queueId}: ignoring malformed header: "TLS-Required: ${value}"`);
    });
  const headers = source.headers();
  return headers instanceof Promise ? headers.then(find) : find(headers);
}
