/** Target: SocketTlsmgr, asking a service that says anything. Each request comes to an end: an answer of the right kind, or none. */
import { ok, strictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { silentLogger } from '../../lib/log/logger.js';
import { announcement } from '../../lib/tlsmgr/protocol.js';
import { SocketTlsmgr } from '../../lib/tlsmgr/socket-tlsmgr.js';
import { fuzz, random } from './inputs.js';

const folder = mkdtempSync(join(tmpdir(), 'mxtls-fuzz-'));
const path = join(folder, 'tlsmgr');
let said: Buffer = Buffer.alloc(0);
const server = createServer((socket) => {
  const cut = random(said.length + 1);
  socket.on('error', () => undefined);
  socket.once('data', () => {
    socket.write(said.subarray(0, cut));
    socket.end(said.subarray(cut)); // else the client would wait for the rest
  });
  socket.write(announcement());
}).listen(path);
await once(server, 'listening');

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

fuzz('tlsmgr-replies', async (input) => {
  said = input;
  const tlsmgr = new SocketTlsmgr({
    ...{ path, logger: silentLogger, wrappingKey: Buffer.alloc(32), patience: 10_000 },
  });
  const keys: Uint8Array[] = [];
  const end = tlsmgr.ticketKeys?.subscribe((all) => keys.push(...all));
  const [found, policy, seed, key] = await Promise.all([
    tlsmgr.sessions('smtp').lookup('id'),
    tlsmgr.policy('smtp').catch(() => null),
    tlsmgr.seed(8).catch(() => null),
    tlsmgr.ticketKeys?.find(Buffer.alloc(16)),
    tlsmgr.sessions('smtp').update('id', Buffer.from('x')),
    tlsmgr.sessions('smtp').delete('id'),
  ]);
  for (const bytes of [found, key, ...keys]) {
    ok(bytes === null || bytes instanceof Uint8Array);
  }
  strictEqual(seed?.length ?? 8, 8);
  ok(policy === null || Number.isInteger(policy.timeout));
  end?.();
  await tlsmgr.close();
});
