// @ts-check
/**
 * node:cluster: processes that share a port, and the first of them is their tlsmgr.
 *
 *     node examples/cluster.mjs /etc/mxtls/mx.pem 2525 4
 *
 * A client resumes its TLS session at whichever worker it meets next: all have the ticket keys that the primary makes. Who
 * does not need node:cluster has it shorter: `mxtls smtpd --workers`, or the class `Supervisor` with `process.mjs`.
 */
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openListeningSockets, Smtpd, SocketTlsmgr, streamLogger, TlsmgrService } from 'mxtls';
import { serverOptions } from './server.mjs';

const [chainFile = '', port = '2525', count = '4'] = process.argv.slice(2);

async function primary() {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-')); // mode 0700: nobody else can reach the socket in it
  const path = join(directory, 'tlsmgr');
  const wrappingKey = randomBytes(32); // lives as long as this process and its keys do
  const cache = { database: 'memory:', timeout: 3600 };
  const logger = streamLogger({ service: 'tlsmgr' });
  const service = await TlsmgrService.start({
    path,
    wrappingKey,
    smtpd: cache,
    smtp: cache,
    logger,
  });
  // Node's cluster module hands out its own sockets, not those of an addon: each worker inherits one. They stay open
  // here, so that clients that wait in the socket of a worker that has died are served by the next one.
  const sockets = openListeningSockets({ host: '127.0.0.1', port: Number(port) }, Number(count));
  const workers = new Set();
  let ending = false;

  const fork = (/** @type {number} */ fd) => {
    cluster.setupPrimary({
      serialization: 'advanced', // a message can carry bytes
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', fd],
    });
    const worker = cluster.fork();
    workers.add(worker);
    // Through the pipe between the two, once the worker listens to it: environment and arguments can be read by others.
    worker.once('message', () => worker.send({ path, wrappingKey }));
    worker.once('exit', () => {
      workers.delete(worker);
      if (!ending) {
        setTimeout(() => !ending && fork(fd), 1000); // a worker that cannot start does not start all the time
      } else if (workers.size === 0) {
        void service.close().then(() => rmSync(directory, { recursive: true }));
      }
    });
  };
  for (const { fd } of sockets) {
    fork(fd);
  }
  const stop = () => {
    ending = true;
    for (const { process: child } of workers) {
      child.kill('SIGTERM');
    }
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  process.stdout.write(`listening 127.0.0.1:${sockets[0]?.port}\n`);
}

/** @param {{ path: string, wrappingKey: Uint8Array }} message */
async function worker({ path, wrappingKey }) {
  const tlsmgr = new SocketTlsmgr({ path, wrappingKey });
  const smtpd = new Smtpd({ ...serverOptions(chainFile), tlsmgr });
  await smtpd.listen({ fd: 4 }); // the fifth of `stdio`
  process.on('SIGINT', () => undefined); // a terminal sends it to all; the primary passes it on
  process.once('SIGTERM', async () => {
    await smtpd.close(); // after the messages that are being received
    await tlsmgr.close();
    process.disconnect();
  });
}

if (cluster.isPrimary) {
  await primary();
} else {
  process.once('message', worker);
  process.send?.('ready');
}
