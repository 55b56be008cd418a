/**
 * What two peers really send: a relay between them that keeps every byte, and a reader of the handshake messages that
 * are in the clear (ClientHello, HelloRetryRequest, ServerHello).
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface WireTap {
  readonly port: number;
  /** What the first client and its server sent. */
  readonly fromClient: () => Buffer;
  readonly fromServer: () => Buffer;
  /** The server has ended its side (FIN). */
  readonly ended: () => boolean;
  readonly serverEnded: Promise<void>;
}

/** Listens on a port of its own and relays to `port`. */
export async function wireTap(port: number): Promise<WireTap> {
  const chunks: { client: Buffer[]; server: Buffer[] } = { client: [], server: [] };
  const sockets: Socket[] = [];
  let over = false;
  let tellEnd: () => void = () => undefined;
  const serverEnded = new Promise<void>((resolve) => {
    tellEnd = resolve;
  });
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    upstream.on('end', () => {
      over = true;
      tellEnd();
    });
    sockets.push(client, upstream);
    client.on('data', (data: Buffer) => chunks.client.push(data)).pipe(upstream);
    upstream.on('data', (data: Buffer) => chunks.server.push(data)).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  return {
    port: (server.address() as AddressInfo).port,
    fromClient: () => Buffer.concat(chunks.client),
    fromServer: () => Buffer.concat(chunks.server),
    ended: () => over,
    serverEnded,
  };
}

export interface Hello {
  readonly kind: 'ClientHello' | 'ServerHello' | 'HelloRetryRequest';
  /** Groups of the key_share extension: offered, wanted, or chosen. */
  readonly keyShares: readonly number[];
  /** Of supported_groups; empty for a server. */
  readonly groups: readonly number[];
}

/** RFC 8446 4.1.3. */
const retryRandom = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';

/** The hellos among what one side sent; plaintext SMTP before the first record is skipped. */
export function hellos(bytes: Buffer): readonly Hello[] {
  const start = bytes.indexOf(Buffer.from([22, 3]));
  const found: Hello[] = [];
  for (let at = start; at >= 0 && at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    const record = bytes.subarray(at + 5, end);
    if (bytes[at] === 22 && (record[0] === 1 || record[0] === 2)) {
      found.push(readHello(record));
    }
    at = end;
  }
  return found;
}

function readHello(message: Buffer): Hello {
  const client = message[0] === 1;
  let at = 4 + 2;
  const random = message.toString('hex', at, at + 32);
  at += 32;
  at += 1 + message.readUInt8(at);
  at += client ? 2 + message.readUInt16BE(at) : 2;
  at += client ? 1 + message.readUInt8(at) : 1;
  const extensions = readExtensions(message.subarray(at + 2));
  const shares = extensions.get(51) ?? Buffer.alloc(0);
  return {
    kind: client ? 'ClientHello' : random === retryRandom ? 'HelloRetryRequest' : 'ServerHello',
    keyShares: client ? offeredShares(shares) : [shares.readUInt16BE(0)],
    groups: numbers(extensions.get(10)?.subarray(2) ?? Buffer.alloc(0)),
  };
}

function readExtensions(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const extensions = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    extensions.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, end));
    at = end;
  }
  return extensions;
}

function offeredShares(extension: Buffer): readonly number[] {
  const groups: number[] = [];
  for (let at = 2; at + 4 <= extension.length; at += 4 + extension.readUInt16BE(at + 2)) {
    groups.push(extension.readUInt16BE(at));
  }
  return groups;
}

function numbers(bytes: Buffer): readonly number[] {
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16BE(2 * i));
}
