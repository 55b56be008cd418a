/** The destination of a probe: a next hop as a transport table has it. */
import { isIP } from 'node:net';
import { TlsError } from '../errors.js';

export interface ProbeNexthop {
  /** Without brackets and port. */
  readonly domain: string;
  /** No MX look-up. */
  readonly bracketed: boolean;
  /** Null: not given. */
  readonly port: number | null;
}

const services: ReadonlyMap<string, number> = new Map([
  ['smtp', 25],
  ['submission', 587],
  ['submissions', 465],
  ['smtps', 465],
]);

/** @throws TlsError `INVALID_ARGUMENT` */
export function parseProbeNexthop(text: string): ProbeNexthop {
  const match = /^(?:\[(?:ipv6:)?([^[\]]+)\]|([^[\]:\s]+))(?::([A-Za-z]+|\d{1,5}))?$/i.exec(text);
  const domain = match?.[1] ?? match?.[2] ?? '';
  const bracketed = match?.[1] !== undefined || isIP(domain) !== 0;
  const port = match?.[3] === undefined ? null : portNumber(match[3]);
  if (match === null || (port !== null && !(port >= 1 && port <= 65535))) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `"${text}" is not a destination`,
      suggestion: 'write a domain, [host], or either with :port',
    });
  }
  return { domain, bracketed, port };
}

function portNumber(text: string): number {
  return services.get(text.toLowerCase()) ?? (/^\d+$/.test(text) ? Number(text) : -1);
}
