/** Listening sockets that a parent opens for its children: what waits in one outlives any of them. */
import { closeSync } from 'node:fs';
import { addon } from '../addon.js';
import '../dispatch.js'; // hands over the callbacks; before that a native method cannot throw a TlsError

/** Where to listen. */
export interface ListeningPlace {
  /** IP address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Clients that may wait to be accepted; default 511. */
  readonly backlog?: number;
}

/** One socket; inherited by a child, it is what `SmtpdListenOptions.fd` takes. */
export interface ListeningSocket {
  readonly fd: number;
  readonly address: string;
  readonly port: number;
}

/**
 * Sockets at one place, among which the kernel shares the clients (SO_REUSEPORT).
 *
 * @throws TlsError `LISTEN_FAILED`, `INVALID_ARGUMENT`
 */
export function openListeningSockets(
  { host, port, backlog = 511 }: ListeningPlace,
  count: number,
): readonly ListeningSocket[] {
  const sockets: ListeningSocket[] = [];
  try {
    while (sockets.length < count) {
      sockets.push(
        addon.openListening({
          ...{ host, path: null, fd: -1, backlog, ipv6Only: false, reusePort: true },
          port: sockets[0]?.port ?? port,
        }),
      );
    }
  } catch (error) {
    closeListeningSockets(sockets);
    throw error;
  }
  return sockets;
}

export function closeListeningSockets(sockets: readonly ListeningSocket[]): void {
  for (const { fd } of sockets) {
    closeSync(fd);
  }
}
