/** The watchdog of tlsproxy: a process that stands still is killed, one that works or ends is not held up. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Run } from '../helpers/command.js';

const watchdog = fileURLToPath(new URL('../../dist/tlsproxy/watchdog.js', import.meta.url));

function run(program: string): Run {
  const text = `import { startWatchdog } from ${JSON.stringify(watchdog)};\n${program}`;
  return Run.of('node', ['--input-type=module', '-e', text]);
}

test('a process that stands still is killed', async () => {
  const stuck = run('startWatchdog(200); setTimeout(() => { for (;;); }, 300);');
  expect(await stuck.exit).toBe(128 + 9);
  expect(stuck.stderr).toBe('mxtls: fatal: watchdog timeout\n');
});

test('one that works for longer than the time goes on, and ends when it is done', async () => {
  const busy = run(`
    startWatchdog(200);
    let turns = 0;
    const timer = setInterval(() => { if (++turns === 100) { clearInterval(timer); console.log('done'); } }, 10);`);
  expect(await busy.exit).toBe(0);
  expect(busy.stdout).toBe('done\n');
});

test('a watch that has ended kills nobody', async () => {
  const ended = run(`
    const end = startWatchdog(100);
    await end();
    for (const until = Date.now() + 1000; Date.now() < until; );
    console.log('done');`);
  expect(await ended.exit).toBe(0);
});
