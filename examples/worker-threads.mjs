// @ts-check
/**
 * node:worker_threads: several JavaScript threads in one process, behind one port.
 *
 *     node examples/worker-threads.mjs /etc/mxtls/mx.pem 2525 4
 *
 * Nothing is to be set up for TLS sessions: the ticket keys are the process's, and all its threads use them. For sessions
 * without tickets name a database that threads can share, `sessionCacheDatabase: 'lmdb:/var/lib/mxtls/scache'`.
 */
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads';
import { openListeningSockets, Smtpd, streamLogger } from 'mxtls';
import { serverOptions } from './server.mjs';

async function main() {
  const [chainFile = '', port = '2525', count = '4'] = process.argv.slice(2);
  // Descriptors belong to the process: a thread needs no more than the number. One socket for each, among which the
  // kernel shares the clients.
  const sockets = openListeningSockets({ host: '127.0.0.1', port: Number(port) }, Number(count));
  const threads = sockets.map(
    ({ fd }) => new Worker(new URL(import.meta.url), { workerData: { chainFile, fd } }),
  );
  for (const thread of threads) {
    // What a thread does not catch ends the process, as it would without threads. Its socket is gone by then, and who
    // waits there: a process of its own is safer to lose, see `cluster.mjs`.
    thread.once('error', (error) => {
      throw error;
    });
  }
  const stop = () => {
    for (const thread of threads) {
      thread.postMessage('close');
    }
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  process.stdout.write(`listening 127.0.0.1:${sockets[0]?.port}\n`);
}

async function worker() {
  const { chainFile, fd } = workerData;
  // All threads have the process's number: the log tells them apart by their own.
  const logger = streamLogger({ service: 'smtpd', pid: threadId });
  const smtpd = new Smtpd({ ...serverOptions(chainFile), logger });
  await smtpd.listen({ fd });
  parentPort?.once('message', () => void smtpd.close());
}

await (isMainThread ? main() : worker());
