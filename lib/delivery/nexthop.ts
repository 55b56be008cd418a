/**
 * Next hops, as in Postfix's transport table: `example.com` and `example.com:587` are domains, whose MX records are
 * looked up; `[mx.example.com]`, `[192.0.2.1]:587` and `[ipv6:2001:db8::1]` are hosts.
 */
import { isIP } from 'node:net';
import { TlsError } from '../errors.js';

export interface Nexthop {
  /** As it was given, which is what policies are looked up by. */
  readonly text: string;
  /** Domain, host name or IP address, without brackets and port. */
  readonly name: string;
  readonly port: number;
  /** A domain: the hosts are those of its MX records. */
  readonly mx: boolean;
}

const hostName = /^[\p{L}\p{N}\p{M}_](?:[\p{L}\p{N}\p{M}_.-]*[\p{L}\p{N}\p{M}_])?\.?$/u;
const bracketed = /^\[(?:ipv6:)?([^\]]+)\](?::([^:]+))?$/i;
const domain = /^([^[\]:]+)(?::([^:]+))?$/;

/**
 * Reads a next hop.
 *
 * @param defaultPort when none is given
 * @throws TlsError `INVALID_ARGUMENT`
 */
export function parseNexthop(text: string, defaultPort: number): Nexthop {
  const host = bracketed.exec(text);
  const [, name = '', service] = host ?? domain.exec(text) ?? [];
  const port = service === undefined ? defaultPort : portNumber(service);
  const isName = hostName.test(name) && isIP(name) === 0;
  if (port === null || !(isName || (host !== null && isIP(name) !== 0))) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `"${text}" is not a next hop`,
      suggestion: 'write domain, domain:port, [host] or [host]:port; an address needs brackets',
    });
  }
  return { text, name, port, mx: host === null };
}

/** A port by number or by the names that Postfix configurations use; null for anything else. */
export function portNumber(text: string): number | null {
  switch (text.toLowerCase()) {
    case 'smtp':
      return 25;
    case 'submission':
      return 587;
    case 'submissions':
    case 'smtps':
      return 465;
    default: {
      const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
      return port >= 1 && port <= 65535 ? port : null;
    }
  }
}
