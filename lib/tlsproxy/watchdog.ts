/**
 * Ends a process whose event loop stands still: whoever supervises it starts another (Postfix's watchdog). Only another
 * thread can tell.
 */
import { Worker } from 'node:worker_threads';

/** The thread: it sleeps, and looks whether the count has changed. */
const watcher = `
const modules = Promise.all([import('node:worker_threads'), import('node:fs')]);
modules.then(([{ workerData: { beats, timeout } }, { writeSync }]) => {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let last = -1; ; ) {
    Atomics.wait(never, 0, 0, timeout);
    const now = Atomics.load(beats, 0);
    if (now === last) {
      writeSync(2, 'mxtls: fatal: watchdog timeout\\n');
      process.kill(process.pid, 'SIGKILL');
    }
    last = now;
  }
});`;

/**
 * Watches this process from now on; it does not keep it alive.
 *
 * @param timeout milliseconds without one turn of the event loop
 * @returns ends the watch
 */
export function startWatchdog(timeout: number): () => Promise<void> {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { beats, timeout };
  const worker = new Worker(watcher, { eval: true, execArgv: [], workerData });
  worker.unref();
  const beat = setInterval(() => Atomics.add(beats, 0, 1), timeout / 4);
  beat.unref();
  return async () => {
    clearInterval(beat);
    await worker.terminate();
  };
}
