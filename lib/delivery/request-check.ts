/**
 * What a delivery request must be: nothing in it may become a command or an option of its own.
 */
import { TlsError } from '../errors.js';
import { isAddress } from '../smtp/path.js';
import type { DeliveryRequest, RequestedRecipient } from './report.js';

/** @throws TlsError `INVALID_ARGUMENT` */
export function checkRequest(request: DeliveryRequest): void {
  const { sender, recipients, nexthop, envid, ret } = request;
  if (typeof sender !== 'string' || !isAddress(sender)) {
    throw wrong(`sender "${String(sender)}" is not an address`);
  }
  if (!Array.isArray(recipients) || recipients.length === 0) {
    throw wrong('recipients is not a list of addresses');
  }
  for (const recipient of recipients as DeliveryRequest['recipients']) {
    checkRecipient(recipient);
  }
  if (request.message === undefined || request.message === null) {
    throw wrong('message is missing');
  }
  if (Array.isArray(nexthop) && nexthop.length === 0) {
    throw wrong('nexthop names no server', 'write a domain or [host]:port');
  }
  if (envid !== undefined && (typeof envid !== 'string' || envid === '' || envid.length > 100)) {
    throw wrong('envid is not a text of 1 to 100 characters');
  }
  if (ret !== undefined && ret !== 'FULL' && ret !== 'HDRS') {
    throw wrong('ret is neither FULL nor HDRS');
  }
}

const notifyWords: readonly string[] = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'];

function checkRecipient(recipient: string | RequestedRecipient): void {
  const address: unknown = typeof recipient === 'string' ? recipient : recipient?.address;
  if (typeof address !== 'string' || address === '' || !isAddress(address)) {
    throw wrong(`recipient "${String(address)}" is not an address`);
  }
  const { notify = [], orcpt }: Partial<RequestedRecipient> =
    typeof recipient === 'string' ? {} : recipient;
  const never = notify.includes('NEVER') && notify.length > 1;
  if (!notify.every((word) => notifyWords.includes(word)) || never) {
    throw wrong(`notify of ${address} is not possible`, `use ${notifyWords.join(', ')}`);
  }
  if (orcpt !== undefined && !/^[A-Za-z0-9-]+;.+$/.test(orcpt)) {
    throw wrong(`orcpt of ${address} is not possible`, 'write rfc822;user@example.com');
  }
}

function wrong(message: string, suggestion?: string): TlsError {
  return new TlsError({
    code: 'INVALID_ARGUMENT',
    message,
    suggestion: suggestion ?? 'write addresses without angle brackets, such as user@example.com',
  });
}
