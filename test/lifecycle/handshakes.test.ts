/**
 * Environments that end while handshakes are under way: workers that are terminated or exit, processes that
 * exit. Each case runs in a process of its own; its exit code and its last line are the result.
 */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';

const storm = new URL('../helpers/storm.mjs', import.meta.url).href;
const chain = certificate('ecdsa').chainFile;

function runChild(source: string): { status: number | null; signal: string | null; last: string } {
  const done = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(done.stderr).toBe('');
  return {
    status: done.status,
    signal: done.signal,
    last: done.stdout.trim().split('\n').at(-1) ?? '',
  };
}

const workerSource = `
  import { parentPort } from 'node:worker_threads';
  import('${storm}').then(({ startStorm }) => {
    let count = 0;
    startStorm('${chain}', () => { if (++count === 20) parentPort.postMessage('busy'); });
  });
`;

test('four workers are terminated in the middle of handshakes, and the process ends cleanly', () => {
  const result = runChild(`
    import { Worker } from 'node:worker_threads';
    const one = () => new Promise((resolve, reject) => {
      const worker = new Worker(${JSON.stringify(workerSource)}, { eval: true });
      worker.on('error', reject);
      worker.on('message', () => worker.terminate());
      worker.on('exit', resolve);
    });
    for (let round = 0; round < 3; round++) await Promise.all([one(), one(), one(), one()]);
    console.log('done');
  `);
  expect(result).toEqual({ status: 0, signal: null, last: 'done' });
});

test('the main thread goes on with handshakes while workers come and go', () => {
  const result = runChild(`
    import { Worker } from 'node:worker_threads';
    const { startStorm } = await import('${storm}');
    let count = 0;
    const stop = startStorm('${chain}', () => { count++; });
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve, reject) => {
        const worker = new Worker(${JSON.stringify(workerSource)}, { eval: true });
        worker.on('error', reject);
        worker.on('message', () => worker.terminate());
        worker.on('exit', resolve);
      });
    }
    const before = count;
    const timer = setInterval(() => {
      if (count > before + 50) { clearInterval(timer); stop(); console.log('done'); }
    }, 5);
  `);
  expect(result).toEqual({ status: 0, signal: null, last: 'done' });
});

test.each(['process.exit(7)', 'process.reallyExit(7)'])(
  '%s in the middle of handshakes',
  (exit) => {
    const result = runChild(`
    const { startStorm } = await import('${storm}');
    let count = 0;
    startStorm('${chain}', () => { if (++count === 20) ${exit}; });
  `);
    expect(result).toEqual({ status: 7, signal: null, last: '' });
  },
);

test('a process with nothing left to do ends by itself', () => {
  const result = runChild(`
    const { startStorm } = await import('${storm}');
    let count = 0;
    const stop = startStorm('${chain}', () => { if (++count === 30) { stop(); console.log('done'); } });
  `);
  expect(result).toEqual({ status: 0, signal: null, last: 'done' });
});

test('an exception in a callback is an uncaught exception, and the others go on', () => {
  const result = runChild(`
    const { startStorm } = await import('${storm}');
    let count = 0, caught = 0;
    process.on('uncaughtException', (error) => { if (error.message !== 'mine') throw error; caught++; });
    const stop = startStorm('${chain}', () => {
      count++;
      if (count % 10 === 0) throw new Error('mine');
      if (count === 45) { stop(); setTimeout(() => { console.log('caught ' + (caught >= 4)); process.exit(0); }, 50); }
    });
  `);
  expect(result).toEqual({ status: 0, signal: null, last: 'caught true' });
});

test('open connections are not collected, closed ones are', () => {
  const result = runChild(`
    const { startStorm } = await import('${storm}');
    const { addon } = await import('${storm.replace('test/helpers/storm.mjs', 'dist/addon.js')}');
    let count = 0;
    const refs = [];
    const connect = addon.connect;
    const stop = startStorm('${chain}', () => {
      count++;
      if (count % 50 === 0) gc();
      if (count === 400) stop();
    });
    // A connection that nobody refers to stays open until its peer ends it.
    const listener = addon.listen({ host: '127.0.0.1', port: 0, path: null, fd: -1, backlog: 8,
      reusePort: false, ipv6Only: false, context: null, tls: null,
      limit: 0, busyReply: null, admit: false });
    let ended = 0;
    listener.owner = { onAccept(c) { c.owner = { onEnd() { ended++; c.destroy(); }, onRead() {}, onClose() {} }; c.readStart(); } };
    (() => {
      const c = addon.connect({ host: '127.0.0.1', port: listener.port, path: null, localAddress: null, timeout: 0 });
      c.owner = { onConnect() { setTimeout(() => { gc(); gc(); c.end(); c.readStart(); }, 100); }, onRead() {}, onEnd() {}, onClose() { listener.close(); } };
      refs.push(new WeakRef(c));
    })();
    process.on('exit', () => console.log('ended ' + ended + ' count ' + (count >= 400)));
  `);
  expect(result).toEqual({ status: 0, signal: null, last: 'ended 1 count true' });
});

test('memory is flat over ten thousand handshakes', () => {
  const result = runChild(`
    const { startStorm } = await import('${storm}');
    let count = 0, first = 0;
    const rss = () => { gc(); return process.memoryUsage.rss() / 1048576; };
    const stop = startStorm('${chain}', () => {
      count++;
      if (count === 3000) first = rss();
      if (count === 10000) { stop(); const grown = rss() - first; console.log(grown < 8 ? 'flat' : 'grown by ' + grown + ' MiB'); }
    });
  `);
  expect(result).toEqual({ status: 0, signal: null, last: 'flat' });
});
