/** `HOST:PORT` on the command line: where to listen. */
import { isIP, isIPv6 } from 'node:net';
import { usageError } from './command.js';

export interface HostPort {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `127.0.0.1:25`, `[::1]:25` or `localhost:25`; port 0 lets the system choose.
 *
 * @throws TlsError `COMMAND_LINE`
 */
export function parseHostPort(text: string, option: string): HostPort {
  const match = /^(?:\[([^[\]]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65535) || (match?.[1] !== undefined && !isIPv6(host))) {
    throw usageError(
      `${option}: "${text}" is no address with port`,
      'write HOST:PORT, for example 127.0.0.1:2525 or [::1]:2525',
    );
  }
  return { host, port };
}

/** `127.0.0.1:25`, `[::1]:25` */
export function formatHostPort(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
