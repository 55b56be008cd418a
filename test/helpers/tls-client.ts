/** The client side of TLS for tests: node's own, so that two implementations meet. */
import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { RawClient } from './raw-client.js';

/** Goes on in TLS on a connection that has just been told to. */
export async function secure(
  client: RawClient,
  options: ConnectionOptions = {},
): Promise<TlsClient> {
  client.socket.removeAllListeners('data');
  client.socket.removeAllListeners('end');
  const socket = connect({ socket: client.socket, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return new TlsClient(socket);
}

/** TLS from the first byte. */
export async function secureFromStart(
  port: number,
  options: ConnectionOptions = {},
): Promise<TlsClient> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return new TlsClient(socket);
}

export class TlsClient extends RawClient {
  readonly secured: TLSSocket;

  constructor(socket: TLSSocket) {
    super(socket);
    this.secured = socket;
  }
}
