/**
 * Target: TlsmgrService on its socket. Whatever a process says, in whatever pieces, the others are served, and nothing of it
 * is left behind.
 */
import { strictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { silentLogger } from '../../lib/log/logger.js';
import { TlsmgrService } from '../../lib/tlsmgr/service.js';
import { SocketTlsmgr } from '../../lib/tlsmgr/socket-tlsmgr.js';
import { fuzz, random } from './inputs.js';

const folder = mkdtempSync(join(tmpdir(), 'mxtls-fuzz-'));
const path = join(folder, 'tlsmgr');
const memory = { database: 'memory:', timeout: 3600 };
const service = await TlsmgrService.start({
  ...{ path, smtpd: memory, smtp: memory, wrappingKey: null, logger: silentLogger },
});
const good = new SocketTlsmgr({ path, logger: silentLogger, patience: 10_000 });

afterAll(async () => {
  await good.close();
  await service.close();
  rmSync(folder, { recursive: true });
});

fuzz('tlsmgr-service', async (input) => {
  const socket = connect(path);
  await once(socket, 'connect');
  const over = once(socket, 'close');
  socket.on('error', () => undefined).resume();
  const cut = random(input.length + 1);
  socket.write(input.subarray(0, cut));
  socket.end(input.subarray(cut));
  await over; // the service ends what makes no sense, and what has ended
  strictEqual((await good.policy('smtp')).cachable, true);
  strictEqual(service.clients, 1);
});
