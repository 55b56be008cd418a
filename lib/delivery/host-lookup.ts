/**
 * Addresses of a host, by the system's resolver. DNS with its security state comes with DANE.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { deferred, type Failure } from './failure.js';

/** Addresses in the order in which they are tried. */
export type HostLookup = (host: string) => Promise<readonly string[]>;

/** The default: what getaddrinfo(3) says, in its order. */
export const systemLookup: HostLookup = async (host) => {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

/** Addresses, or why there are none. */
export async function lookupHost(
  host: string,
  resolve: HostLookup,
): Promise<readonly string[] | Failure> {
  if (isIP(host) !== 0) {
    return [host];
  }
  try {
    const addresses = await resolve(host);
    return addresses.length > 0 ? addresses : notFound(host);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTFOUND' || code === 'ENODATA') {
      return notFound(host);
    }
    return deferred('connect', '4.4.3', `${nameServiceError(host)}: Host not found, try again`);
  }
}

function notFound(host: string): Failure {
  const text = `${nameServiceError(host)}: Host not found`;
  return { kind: 'connect', status: 'bounced', dsn: '5.4.4', text };
}

function nameServiceError(host: string): string {
  return `Host or domain name not found. Name service error for name=${host} type=A`;
}
