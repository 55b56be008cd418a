/** `peerChain()` of a native connection in every state: a list, if need be an empty one, and never an error. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { type ClientDemand, clientTls } from '../../lib/index.js';
import type { NativeConnection } from '../../lib/native.js';
import { authority, serverCertificate } from '../helpers/certificates.js';
import { startServer, type VisitedServer } from '../helpers/tls-visit.js';

const chain = serverCertificate('mx', ['mx.example.com']);
const tls = { CAfile: authority().certFile };

async function connected({ port }: VisitedServer): Promise<NativeConnection> {
  const native = addon.connect({
    ...{ host: '127.0.0.1', port, path: null, localAddress: null, timeout: 0 },
  });
  const connecting: readonly unknown[] = native.peerChain();
  expect(connecting).toEqual([]);
  await new Promise<void>((resolve, reject) => {
    native.owner = {
      onConnect: (error: Error | null) => (error === null ? resolve() : reject(error)),
    };
  });
  return native;
}

/** A handshake, and the first bytes of the server, with which its tickets come. */
async function secured(native: NativeConnection, demand: ClientDemand): Promise<void> {
  const { context, props } = clientTls(tls, 'mx.example.com', demand);
  const events = new EventTarget();
  const read = once(events, 'read');
  const done = new Promise<void>((resolve, reject) => {
    native.owner = {
      onHandshake: (error: Error | null) => (error === null ? resolve() : reject(error)),
      onRead: () => events.dispatchEvent(new Event('read')),
      onEnd: () => undefined,
      onClose: () => undefined,
    };
  });
  native.startTls(context, props);
  expect(native.peerChain()).toEqual([]);
  await done;
  native.readStart();
  await read;
}

/** At `encrypt` TLS 1.2 would do without certificates. */
const matching = { level: 'verify', names: ['mx.example.com'] } as const;

const names = ['/CN=mail.example.com', '/CN=Intermediate 1'];

function subjects(native: NativeConnection): readonly string[] {
  return native.peerChain().map(({ subject }) => subject);
}

test('it is there from the end of the handshake to the end of the connection', async () => {
  const native = await connected(await startServer('our server', chain));
  expect(native.peerChain()).toEqual([]);
  await secured(native, { level: 'encrypt' });
  expect(subjects(native)).toEqual(names);
  expect(subjects(native)).toEqual(names);
  expect(native.peerChain().every(Object.isFrozen)).toBe(true);
  native.destroy();
  expect(native.peerChain()).toEqual([]);
});

test.each(['1.2', '1.3'] as const)(
  'a resumed session has the first only: TLS %s',
  async (version) => {
    const server = await startServer('our server', chain, version);
    const first = await connected(server);
    await secured(first, matching);
    const session = first.takeSession() ?? Buffer.alloc(0);
    first.destroy();
    const second = await connected(server);
    await secured(second, { ...matching, session });
    expect(second.snapshot()).toMatchObject({ resumed: true });
    expect(subjects(second)).toEqual(names.slice(0, 1));
    second.destroy();
  },
);

test('a raw public key is no chain', async () => {
  const native = await connected(await startServer('our server', chain));
  await secured(native, { level: 'encrypt', enableRpk: true });
  expect(native.snapshot()).toMatchObject({ certificateType: 'rpk' });
  expect(native.peerChain()).toEqual([]);
  native.destroy();
});
