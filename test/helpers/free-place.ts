/** Places to listen at that nobody else uses, for servers that have to be told. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

export interface Place {
  readonly address: string;
  readonly port: number;
}

/** A loopback address chosen by chance, and a port there chosen by the kernel. */
export async function freePlace(): Promise<Place> {
  const byte = (): number => 2 + Math.floor(Math.random() * 250);
  const address = `127.${byte()}.${byte()}.${byte()}`;
  const [port = 0] = await freePorts(address, 1);
  return { address, port };
}

/** Different ones. */
export async function freePorts(address: string, count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, address));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(
    servers.map(async (server) => {
      server.close();
      await once(server, 'close');
    }),
  );
  return ports;
}
