/**
 * Targets: RedisTlsmgr and its stores, asking a server that says anything: the input is what it answers, as it stands, and as
 * a value. Each request comes to an end, and nothing is taken for a session or a key that was not sealed.
 */
import { ok, strictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { silentLogger } from '../../lib/log/logger.js';
import { Sealer } from '../../lib/session-cache/sealer.js';
import { RedisTlsmgr } from '../../lib/tlsmgr/redis-tlsmgr.js';
import { sealedKeyInfo } from '../../lib/tlsmgr/sealed-key.js';
import { fuzz } from './inputs.js';

const folder = mkdtempSync(join(tmpdir(), 'mxtls-fuzz-'));
const file = join(folder, 'key');
writeFileSync(file, Buffer.alloc(32, 7), { mode: 0o600 });

let reply: Buffer = Buffer.alloc(0);
const open = new Set<Socket>();
const server = createServer((socket) => {
  open.add(socket);
  socket.on('error', () => undefined).on('close', () => open.delete(socket));
  socket.on('data', (data: Buffer) => {
    // Ready when it says so; then what the input is, for each request.
    if (/\r\ninfo\r\n/i.test(data.toString('latin1'))) {
      socket.write(bulk(Buffer.from('redis_version:7.0.0\r\nloading:0\r\n')));
    } else {
      socket.end(reply); // else the client would wait for the rest
    }
  });
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

afterAll(() => {
  server.close();
  for (const socket of open) {
    socket.destroy();
  }
  rmSync(folder, { recursive: true });
});

function bulk(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
}

async function ask(answer: Buffer): Promise<void> {
  reply = answer;
  const tlsmgr = await RedisTlsmgr.open({
    ...{ address: `redis://127.0.0.1:${port}?wrapping-key=${file}`, logger: silentLogger },
  });
  const keys: Uint8Array[] = [];
  const end = tlsmgr.ticketKeys.subscribe((all) => keys.push(...all));
  strictEqual(await tlsmgr.sessions('smtp').lookup('id'), null);
  await tlsmgr.sessions('smtp').update('id', Buffer.from('x'));
  const found = await tlsmgr.ticketKeys.find(Buffer.alloc(16));
  for (const key of [...keys, ...(found === null ? [] : [found])]) {
    ok(sealedKeyInfo(key) !== null);
  }
  end();
  await tlsmgr.close();
}

const sealer = new Sealer(Buffer.alloc(32, 9)); // whose blobs nobody else can make

fuzz('redis-replies', async (input) => {
  await ask(input);
  await ask(bulk(input));
  strictEqual(sealer.open('id', input), null);
});
