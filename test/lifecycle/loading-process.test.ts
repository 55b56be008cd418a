/** The real binary in real processes: whose OpenSSL answers, beside node's own, in workers, after a foreign libssl. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const addonUrl = new URL('../../dist/addon.js', import.meta.url).href;

/** Runs an ES module in a node of its own; its last line of output is JSON. */
function runChild(source: string, env: Record<string, string> = {}): Record<string, unknown> {
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect(done.stderr).toBe('');
  expect(done.status).toBe(0);
  return JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '');
}

const report = `
  import crypto from 'node:crypto';
  const before = crypto.createHash('sha256').update('x').digest('hex');
  const { addon, loadedBinary } = await import('${addonUrl}');
  const after = crypto.createHash('sha256').update('x').digest('hex');
  const info = addon.libraryInfo();
  console.log(JSON.stringify({ info, loadedBinary, same: before === after }));
`;

test('our library answers, not the one inside node', () => {
  const { info, loadedBinary, same } = runChild(report);
  expect(info).toMatchObject({
    runtime: expect.stringMatching(/\b(3\.([5-9]|\d\d)|[4-9]\.\d+)\./),
  });
  expect(info).toMatchObject({ warning: null });
  const { mode, file } = loadedBinary as { mode: string; file: string };
  const { path, mode: built } = info as { path: string; mode: string };
  expect(built).toBe(mode);
  expect(path === file).toBe(mode === 'static');
  expect(same).toBe(true);
});

test("node's own TLS works in the same process, before and after loading", () => {
  const result = runChild(`
    import tls from 'node:tls';
    const ciphers = () => tls.getCiphers().join();
    const context = () => tls.createSecureContext({ minVersion: 'TLSv1.2' }) !== undefined;
    const before = ciphers();
    context();
    const { addon } = await import('${addonUrl}');
    console.log(JSON.stringify({ same: before === ciphers(), works: context(), ours: addon.libraryInfo().runtimeNumber }));
  `);
  expect(result).toMatchObject({ same: true, works: true });
  expect(result['ours']).toBeGreaterThanOrEqual(0x30500000);
});

test('four workers load it at once, and the process ends cleanly', () => {
  const worker = `
    import { parentPort } from 'node:worker_threads';
    import('${addonUrl}').then(({ addon }) => parentPort.postMessage(addon.libraryInfo().runtime));
  `;
  const { answers } = runChild(`
    import { Worker } from 'node:worker_threads';
    const { addon } = await import('${addonUrl}');
    const one = () => new Promise((resolve, reject) => {
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
      let answer;
      worker.on('message', (text) => { answer = text; });
      worker.on('error', reject);
      worker.on('exit', () => resolve(answer === addon.libraryInfo().runtime));
    });
    console.log(JSON.stringify({ answers: await Promise.all([one(), one(), one(), one()]) }));
  `);
  expect(answers).toEqual([true, true, true, true]);
});

test('a worker loads it when the main thread has not, and the next one after that is gone', () => {
  const worker = `
    import { parentPort } from 'node:worker_threads';
    import('${addonUrl}').then(({ addon }) => parentPort.postMessage(addon.libraryInfo().runtimeNumber));
  `;
  const { answers } = runChild(`
    import { Worker } from 'node:worker_threads';
    const answers = [];
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve, reject) => {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
        worker.on('message', (number) => answers.push(number >= 0x30500000));
        worker.on('error', reject);
        worker.on('exit', resolve);
      });
    }
    console.log(JSON.stringify({ answers }));
  `);
  expect(answers).toEqual([true, true, true]);
});

describe('after another library mapped libssl', () => {
  const foreign = ['x86_64', 'aarch64']
    .map((cpu) => `/usr/lib/${cpu}-linux-gnu/libssl.so.3`)
    .find((file) => existsSync(file));

  test.skipIf(foreign === undefined && process.env['CI'] === undefined)(
    'a static binary is not touched by it, a dynamic one is refused',
    () => {
      expect(foreign, 'this test needs the system libssl3').toBeDefined();
      const result = runChild(`
        import { readFileSync } from 'node:fs';
        try { process.dlopen({ exports: {} }, '${foreign}'); } catch {} // no addon, but mapped now
        const mapped = /libssl\\.so\\.3/.test(readFileSync('/proc/self/maps', 'utf8'));
        let outcome;
        try {
          const { addon, loadedBinary } = await import('${addonUrl}');
          outcome = { mode: loadedBinary.mode, ours: addon.libraryInfo().runtimeNumber >= 0x30500000 };
        } catch (error) {
          outcome = { mode: 'dynamic', refused: error.code };
        }
        console.log(JSON.stringify({ mapped, outcome }));
      `);
      expect(result['mapped']).toBe(true);
      expect([
        { mode: 'static', ours: true },
        { mode: 'dynamic', refused: 'ADDON_UNUSABLE' },
      ]).toContainEqual(result['outcome']);
    },
  );
});

test('a file that is no addon is a sentence, not a stack of the linker', () => {
  const result = runChild(
    `let error; try { await import('${addonUrl}'); } catch (e) { error = e; }
     console.log(JSON.stringify({ class: error.class, code: error.code, message: error.message }));`,
    { MXTLS_BINARY: '/etc/passwd' },
  );
  expect(result).toMatchObject({ class: 'config', code: 'ADDON_UNUSABLE' });
  expect(result['message']).toMatch(/npm rebuild mxtls/);
});
