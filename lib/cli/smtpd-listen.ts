/** Where `mxtls smtpd` listens: at addresses of its own, or on sockets that it inherits. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { TlsError } from '../errors.js';
import type { Smtpd } from '../server.js';
import { formatHostPort, type HostPort } from './address.js';
import { exitCode, Failure } from './command.js';
import { explainListenFailure } from './listen-failure.js';

/** A listener, or a socket for one. */
interface Listening {
  readonly address: string;
  readonly port: number;
}

/** Listens at all places; what to print about it. */
export async function listenAt(
  smtpd: Smtpd,
  places: readonly HostPort[],
  limits: { readonly connectionLimit?: number },
): Promise<string> {
  const listening = await atEach(places, async ({ host, port }) =>
    smtpd.listen({ host, port, ...limits }),
  );
  return announcement(listening);
}

/** Listens on sockets that another process has opened. */
export async function listenOn(
  smtpd: Smtpd,
  fds: readonly number[],
  limits: { readonly connectionLimit?: number },
): Promise<string> {
  const listening: Listening[] = [];
  for (const fd of fds) {
    try {
      listening.push(await smtpd.listen({ fd, ...limits }));
    } catch (error) {
      throw explainListenFailure(error);
    }
  }
  return announcement(listening);
}

/**
 * Opens something at each address of each place.
 *
 * @throws Failure, TlsError when a place has none that can be had
 */
export async function atEach<Opened>(
  places: readonly HostPort[],
  open: (place: HostPort) => Promise<Opened> | Opened,
): Promise<readonly Opened[]> {
  const opened: Opened[] = [];
  for (const place of places) {
    opened.push(...(await atAddresses(place, open)));
  }
  return opened;
}

/** What is printed when it is ready. */
export function announcement(listening: readonly Listening[]): string {
  return listening
    .map(({ address, port }) => `listening ${formatHostPort(address, port)}\n`)
    .join('');
}

async function atAddresses<Opened>(
  { host, port }: HostPort,
  open: (place: HostPort) => Promise<Opened> | Opened,
): Promise<readonly Opened[]> {
  const addresses = await addressesOf(host);
  let problem: unknown = null;
  const opened: Opened[] = [];
  for (const address of addresses) {
    try {
      opened.push(await open({ host: address, port }));
    } catch (error) {
      if (addresses.length === 1 || !isForeign(error)) {
        throw explainListenFailure(error);
      }
      problem ??= error;
    }
  }
  if (opened.length === 0) {
    throw explainListenFailure(problem);
  }
  return opened;
}

/** Names are resolved here; the engine takes addresses. */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) {
    return [host];
  }
  try {
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))];
  } catch {
    throw new Failure(
      `--listen: nothing is known of host "${host}"; give an address of this machine`,
      exitCode.config,
    );
  }
}

/** The machine does not have this address: `localhost` has ::1 in many that know no IPv6. */
function isForeign(error: unknown): boolean {
  const { EADDRNOTAVAIL, EAFNOSUPPORT } = constants.errno;
  return error instanceof TlsError && [EADDRNOTAVAIL, EAFNOSUPPORT].includes(error.errno);
}
