/**
 * Next hops (`[host]:port`): brackets mean "this host, no MX look-up", as in Postfix's transport table.
 */
import { isIP } from 'node:net';
import { TlsError } from '../errors.js';

export interface Nexthop {
  /** Host name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

const hostName = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}_])?\.?$/u;

/**
 * Reads a next hop.
 *
 * @param defaultPort when none is given
 * @throws TlsError `INVALID_ARGUMENT`
 */
export function parseNexthop(text: string, defaultPort: number): Nexthop {
  const match = /^\[(?:ipv6:)?([^\]]+)\](?::(\d{1,5}|[a-z]+))?$/i.exec(text);
  const host = match?.[1] ?? '';
  const port = match?.[2] === undefined ? defaultPort : portNumber(match[2]);
  if (match === null || port < 1 || port > 65535 || !(isIP(host) !== 0 || hostName.test(host))) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `"${text}" is not a next hop`,
      suggestion:
        match === null
          ? 'write [host]:port; MX look-ups are not available yet'
          : 'write [host]:port',
    });
  }
  return { host, port };
}

/** The names that Postfix configurations use. */
function portNumber(text: string): number {
  switch (text.toLowerCase()) {
    case 'smtp':
      return 25;
    case 'submission':
      return 587;
    case 'submissions':
    case 'smtps':
      return 465;
    default:
      return /^\d+$/.test(text) ? Number(text) : -1;
  }
}
