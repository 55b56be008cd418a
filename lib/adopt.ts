/**
 * Taking over somebody else's `net.Socket`.
 *
 * Two owners of one descriptor must not be: the socket is paused, what it has read is dealt with by
 * the rule of {@link refuseLeftover}, its descriptor is duplicated, and the socket is destroyed,
 * which sends nothing as long as the duplicate lives.
 */
import type { Socket } from 'node:net';
import { addon } from './addon.js';
import { Connection } from './connection.js';
import { TlsError } from './errors.js';
import { refuseLeftover, type Role } from './start-tls.js';

/**
 * Makes a {@link Connection} of a connected `net.Socket`, which is destroyed.
 *
 * Call it when the plaintext dialogue rests: nothing may wait to be written. Bytes that the socket
 * has read and nobody has taken are thrown away on a server and an error on a client.
 *
 * @throws TlsError `INVALID_STATE`: not connected, or a write is pending; `EARLY_PLAINTEXT`
 */
export function adoptSocket(socket: Socket, role: Role): Connection {
  return takeSocket(socket, role, (fd) => new Connection(addon.adopt(fd), role));
}

/**
 * Takes a socket away from node: `take` gets the descriptor, of which it makes a duplicate, and then the socket is
 * destroyed. By the rule above for bytes that were read.
 *
 * @throws TlsError `INVALID_STATE`, `EARLY_PLAINTEXT`, and what `take` throws
 */
export function takeSocket<Taken>(socket: Socket, role: Role, take: (fd: number) => Taken): Taken {
  const fd = descriptor(socket);
  if (socket.destroyed || socket.connecting || socket.writableEnded || fd < 0) {
    throw new TlsError({ code: 'INVALID_STATE', message: 'the socket is not connected' });
  }
  if (socket.writableLength > 0) {
    throw new TlsError({
      code: 'INVALID_STATE',
      message: 'the socket has something to write',
      suggestion: 'wait for the callback of its last write()',
    });
  }
  socket.removeAllListeners('data');
  socket.pause();
  try {
    refuseLeftover(role, { buffered: socket.readableLength, clear: () => drain(socket) });
    return take(fd);
  } finally {
    socket.destroy();
  }
}

/** The one place where node keeps it; there is no documented way. */
function descriptor(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}

function drain(socket: Socket): void {
  while (socket.read() !== null) {
    // thrown away
  }
}
