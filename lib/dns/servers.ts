// Which servers are asked, and how: resolv.conf(5) and the caller's own list.
import { isIP } from 'node:net';
import { TlsError } from '../errors.js';

export interface DnsServer {
  readonly address: string;
  readonly port: number;
  /** Its AD bit counts: it is on this machine, or the administrator says so. */
  readonly trusted: boolean;
}

/** What resolv.conf says, as far as it concerns absolute names. */
export interface ResolvConf {
  readonly servers: readonly DnsServer[];
  /** Seconds per server and attempt. */
  readonly timeout: number;
  readonly attempts: number;
  readonly rotate: boolean;
}

/** glibc's limits. */
const MAX_SERVERS = 3;
const MAX_TIMEOUT = 30;
const MAX_ATTEMPTS = 5;

/**
 * Reads resolv.conf(5): `nameserver`, and of `options` timeout, attempts, rotate and trust-ad. Search
 * lists and ndots mean nothing here: all names are absolute.
 *
 * @param trustAd trust the AD bit of all servers, whatever the file says
 */
export function parseResolvConf(text: string, trustAd = false): ResolvConf {
  const lines = text.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  );
  const options = lines.filter(([word]) => word === 'options').flatMap((words) => words.slice(1));
  const trusted = trustAd || options.includes('trust-ad');
  const addresses = lines
    .filter(([word, address = '']) => word === 'nameserver' && isIP(address) !== 0)
    .map(([, address = '']) => address)
    .slice(0, MAX_SERVERS);
  // resolv.conf(5): without a nameserver line, the one on this machine.
  const servers = (addresses.length > 0 ? addresses : ['127.0.0.1']).map((address) =>
    makeServer(address, 53, trusted),
  );
  return {
    servers: believable(servers),
    timeout: numberOption(options, 'timeout', 5, MAX_TIMEOUT),
    attempts: numberOption(options, 'attempts', 2, MAX_ATTEMPTS),
    rotate: options.includes('rotate'),
  };
}

/**
 * Reads the caller's servers: `127.0.0.1:5353`, `192.0.2.1`, `[::1]:5353`, `::1`.
 *
 * @throws TlsError `INVALID_ARGUMENT`
 */
export function parseServers(texts: readonly string[], trustAd: boolean): readonly DnsServer[] {
  if (texts.length === 0) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: 'the list of DNS servers is empty',
      suggestion: 'leave servers out to use /etc/resolv.conf',
    });
  }
  return believable(texts.map((text) => parseServer(text, trustAd)));
}

/** Loopback, in either family (RFC 1122, 4291). */
function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function makeServer(address: string, port: number, trusted: boolean): DnsServer {
  return { address, port, trusted: trusted || isLoopback(address) };
}

/**
 * If any server is trusted, only those that are. Otherwise who keeps the trusted one from answering
 * turns every secure answer into an insecure one, and DANE off.
 */
function believable(servers: readonly DnsServer[]): readonly DnsServer[] {
  const trusted = servers.filter((server) => server.trusted);
  return trusted.length > 0 ? trusted : servers;
}

function parseServer(text: string, trustAd: boolean): DnsServer {
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text);
  const address = isIP(text) !== 0 ? text : (match?.[1] ?? match?.[2] ?? '');
  const port = Number(isIP(text) !== 0 ? 53 : (match?.[3] ?? 53));
  if (isIP(address) === 0 || port < 1 || port > 65535) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `"${text}" is not the address of a DNS server`,
      suggestion: 'write 127.0.0.1:53 or [::1]:53',
    });
  }
  return makeServer(address, port, trustAd);
}

function numberOption(
  options: readonly string[],
  name: string,
  otherwise: number,
  most: number,
): number {
  const value = options.findLast((option) => option.startsWith(`${name}:`))?.slice(name.length + 1);
  return value !== undefined && /^\d+$/.test(value)
    ? Math.min(Math.max(Number(value), 1), most)
    : otherwise;
}
