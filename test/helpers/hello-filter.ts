/**
 * A box before an SMTP server that cannot put a large ClientHello together again: it drops connections with one.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface HelloFilter {
  readonly port: number;
  /** `[127.0.0.1]:port` */
  readonly nexthop: string;
  /** Bytes of each ClientHello that came. */
  readonly hellos: number[];
  /** Connections so far. */
  connections: number;
}

/** `close`, `reset`: ends the connection; `hang`: passes nothing on any more. */
export type Reaction = 'close' | 'reset' | 'hang';

/**
 * @param port of the server behind it
 * @param limit bytes of a ClientHello that are too many
 * @param answered so many bytes of the server's answer come through before the reaction
 */
export async function helloFilter(
  port: number,
  limit: number,
  reaction: Reaction = 'close',
  answered = 0,
): Promise<HelloFilter> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    filter.connections++;
    const backend = connect({ port, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, backend]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    backend.pipe(client);
    client.on('close', () => backend.destroy());
    let held = Buffer.alloc(0);
    client.on('data', (data: Buffer) => {
      held = Buffer.concat([held, data]);
      const size = helloSize(held);
      if (size === 'more') {
        return;
      }
      if (size !== null) {
        filter.hellos.push(size);
      }
      if (size !== null && size > limit) {
        client.pause();
        backend.unpipe(client);
        if (answered === 0) {
          react(client, reaction);
          return;
        }
        backend.once('data', (answer: Buffer) => {
          client.write(answer.subarray(0, answered), () => react(client, reaction));
        });
        backend.resume();
      }
      backend.write(held);
      held = Buffer.alloc(0);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  const own = (server.address() as AddressInfo).port;
  const filter: HelloFilter = {
    port: own,
    nexthop: `[127.0.0.1]:${own}`,
    hellos: [],
    connections: 0,
  };
  return filter;
}

function react(client: Socket, reaction: Reaction): void {
  if (reaction === 'reset') {
    client.resetAndDestroy();
  } else if (reaction === 'close') {
    client.end();
  }
}

const changeCipherSpec = 20;
const changeCipherSpecSize = 6;
const handshakeRecord = 22;
const clientHello = 1;
const recordHeader = 5;

/** Size of the ClientHello that begins here; null: it is none. A second one has a dummy record before it. */
function helloSize(data: Buffer): number | 'more' | null {
  if (data[0] === changeCipherSpec && data.length > changeCipherSpecSize) {
    return helloSize(data.subarray(changeCipherSpecSize));
  }
  if (data[0] !== handshakeRecord || (data.length > recordHeader && data[5] !== clientHello)) {
    return null;
  }
  if (data.length < recordHeader) {
    return 'more';
  }
  const size = data.readUInt16BE(3);
  return data.length < recordHeader + size ? 'more' : size;
}
