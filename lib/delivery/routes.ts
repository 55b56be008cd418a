/**
 * Where the recipients of a message go: to the next hop of the request, or each to its own domain.
 */
import { TlsError } from '../errors.js';
import { type Nexthop, parseNexthop } from './nexthop.js';
import type { DeliveryRequest } from './report.js';
import { isStream } from './stream-reader.js';
import { addressOf } from './transaction.js';

/** Recipients with the same next hops. */
export interface Route {
  /** Index in the request. */
  readonly recipients: readonly number[];
  /** In the order in which they are tried. */
  readonly nexthops: readonly Nexthop[];
}

/**
 * The routes of a request; recipients stay in order.
 *
 * @throws TlsError `INVALID_ARGUMENT`: a next hop that is none, a recipient without a domain and without a next hop, a
 *   stream for several domains
 */
export function routesOf(request: DeliveryRequest, defaultPort: number): readonly Route[] {
  const { nexthop, recipients, message } = request;
  if (nexthop !== undefined) {
    const texts = typeof nexthop === 'string' ? [nexthop] : nexthop;
    const nexthops = texts.map((text) => parseNexthop(text, defaultPort));
    return [{ recipients: [...recipients.keys()], nexthops }];
  }
  const byDomain = new Map<string, number[]>();
  for (const [i, recipient] of recipients.entries()) {
    const domain = domainOf(addressOf(recipient));
    byDomain.set(domain, [...(byDomain.get(domain) ?? []), i]);
  }
  if (byDomain.size > 1 && isStream(message)) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: 'a stream can be read once, and the recipients belong to several domains',
      suggestion:
        'give a function that makes the stream, () => createReadStream(file), a Buffer or a string, or name a nexthop',
    });
  }
  return [...byDomain].map(([domain, those]) => ({
    recipients: those,
    nexthops: [parseNexthop(domain, defaultPort)],
  }));
}

/** The domain of a recipient in lower case, `[192.0.2.1]` among them. */
function domainOf(address: string): string {
  const at = address.lastIndexOf('@');
  if (at < 0) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `recipient "${address}" has no domain`,
      suggestion: 'write user@example.com, or name a nexthop',
    });
  }
  return address.slice(at + 1).toLowerCase();
}
