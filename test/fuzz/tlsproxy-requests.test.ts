/**
 * Target: Tlsproxy on its socket, with and without a descriptor. Whatever a process says is answered by one line and the end;
 * the others are served, and no session is left.
 */
import { ok, strictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { Connection } from '../../lib/connection.js';
import { silentLogger } from '../../lib/log/logger.js';
import { Tlsproxy } from '../../lib/tlsproxy/proxy.js';
import { openProxy, takeProxied } from '../../lib/tlsproxy/requester.js';
import { certificate } from '../helpers/certificates.js';
import { fuzz } from './inputs.js';

const folder = mkdtempSync(join(tmpdir(), 'mxtls-fuzz-'));
const path = join(folder, 'tlsproxy');
const chainFiles = [certificate('ecdsa').chainFile];
const proxy = new Tlsproxy({
  server: { securityLevel: 'may', chainFiles },
  client: { securityLevel: 'may' },
  logger: silentLogger,
});
proxy.listen(path);

/** Peers that end what they have begun: no handshake takes long. */
const peers = createServer((socket: Socket) => {
  socket.on('error', () => undefined).end();
}).listen(join(folder, 'peer'));
await once(peers, 'listening');

afterAll(async () => {
  peers.close();
  await proxy.close(true);
  rmSync(folder, { recursive: true });
});

async function answerTo(input: Buffer, withDescriptor: boolean): Promise<string> {
  const stream = await openProxy(path);
  const peer = await Connection.connect({ path: join(folder, 'peer') });
  let said = '';
  stream.on('data', (data: Buffer) => {
    said += data.toString();
  });
  if (withDescriptor && input.length > 0) {
    stream.sendDescriptor(peer.fd, input);
  } else {
    stream.write(input);
  }
  stream.end();
  if (!stream.destroyed) {
    await once(stream, 'close');
  }
  peer.on('error', () => undefined).destroy();
  return said;
}

fuzz('tlsproxy-requests', async (input) => {
  for (const withDescriptor of [false, true]) {
    const said = await answerTo(input, withDescriptor);
    const [line = '', ...more] = said.split('\n');
    ok(said === '' || more.join('') === '', said);
    ok(line === '' || typeof JSON.parse(line).ok === 'boolean');
  }
  strictEqual(await takeProxied(path, 'no such key'), null);
  strictEqual(proxy.kept, 0);
});
