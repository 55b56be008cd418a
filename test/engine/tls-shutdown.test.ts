/** tls_fast_shutdown_enable: whether our end of the connection waits for the peer's close-notify. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { adoptSocket } from '../../lib/adopt.js';
import { Connection } from '../../lib/connection.js';
import { clientTls, serverTls } from '../../lib/setup.js';
import { certificate } from '../helpers/certificates.js';
import { wireTap } from '../helpers/wire-tap.js';

async function pair(fastShutdownEnable: boolean) {
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const tap = await wireTap((listening.address() as AddressInfo).port);
  const accepted = once(listening, 'connection');
  const client = await Connection.connect({ host: '127.0.0.1', port: tap.port });
  const [socket] = await accepted;
  const server = adoptSocket(socket, 'server');
  const ours = serverTls({
    securityLevel: 'may',
    chainFiles: [certificate('ecdsa').chainFile],
    fastShutdownEnable,
  });
  const theirs = clientTls({}, 'mx.example.com');
  await Promise.all([
    server.startTls(ours.context, ours.props),
    client.startTls(theirs.context, theirs.props),
  ]);
  onTestFinished(() => {
    client.destroy();
    server.destroy();
    listening.close();
  });
  return { client, server, tap };
}

test('yes: the FIN follows our close-notify at once', async () => {
  const { server, tap } = await pair(true);
  server.resume();
  server.end();
  await tap.serverEnded;
});

test('no: the FIN waits until the peer has said goodbye, too', async () => {
  const { client, server, tap } = await pair(false);
  const before = tap.fromServer().length;
  server.resume();
  server.end();
  client.resume();
  await once(client, 'end'); // our close-notify has come
  expect(tap.fromServer().length).toBeGreaterThan(before);
  expect(tap.ended()).toBe(false);
  client.end();
  await tap.serverEnded;
  expect(tap.ended()).toBe(true);
});
