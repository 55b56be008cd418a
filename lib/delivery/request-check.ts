/**
 * What a delivery request must be: nothing in it may become a command or an option of its own.
 */
import { TlsError } from '../errors.js';
import { isAddress } from '../smtp/path.js';
import type { DeliveryRequest, MessageContent, RequestedRecipient } from './report.js';

/** @throws TlsError `INVALID_ARGUMENT` */
export function checkRequest(request: DeliveryRequest): void {
  const { sender, recipients, nexthop, envid, ret, requiretls } = request;
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
  if (!isContent(request.message)) {
    throw wrong(
      'message is neither a Buffer, a string, a stream, nor a function that makes a stream',
      'give what createReadStream(file) returns, or () => createReadStream(file)',
    );
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
  if (requiretls !== undefined && typeof requiretls !== 'boolean') {
    throw wrong(
      'requiretls is neither true nor false',
      'set it to true for a message that asks for it',
    );
  }
}

function isContent(message: MessageContent): boolean {
  return (
    typeof message === 'string' ||
    typeof message === 'function' ||
    message instanceof Uint8Array ||
    typeof message[Symbol.asyncIterator] === 'function'
  );
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
