// The C and C++ tests, without node, once under AddressSanitizer with UBSan and once under
// ThreadSanitizer. Builds in build/native-address and build/native-thread; stops at the first
// variant that fails.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, Sentence, say } from './say.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const VARIANTS = ['address', 'thread'];
const jobs = String(availableParallelism());

/** Output is kept back and shown only when the step fails. */
function step(what, command, args) {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
    throw new Sentence(`native tests: ${what} failed; see above.`);
  }
  return done.stdout;
}

function testVariant(variant) {
  const dir = join('build', `native-${variant}`);
  const options = [`-DMXTLS_SANITIZE=${variant}`, '-DCMAKE_BUILD_TYPE=RelWithDebInfo'];
  step(`configuring (${variant})`, 'cmake', ['-S', '.', '-B', dir, ...options]);
  step(`compiling (${variant})`, 'cmake', ['--build', dir, '-j', jobs]);
  const output = step(`running (${variant})`, 'ctest', [
    ...['--test-dir', dir, '-j', jobs, '--output-on-failure', '--no-tests=error'],
  ]);
  const total = Number(/tests failed out of (\d+)/.exec(output)?.[1] ?? 0);
  say(`native tests under the ${variant} sanitizer: ${total} programs passed`);
  return total;
}

await run(() => {
  const tests = join(ROOT, 'native', 'test');
  if (!existsSync(tests) || !readdirSync(tests).some((name) => /_test\.cc?$/.test(name))) {
    throw new Sentence('native tests: there is none in native/test.');
  }
  if (spawnSync('cmake', ['--version']).status !== 0) {
    const sentence = 'native tests skipped: cmake is missing; run `apt-get install cmake`.';
    if (process.env.CI) {
      throw new Sentence(sentence);
    }
    say(sentence);
    return;
  }
  const total = VARIANTS.map(testVariant).reduce((sum, count) => sum + count, 0);
  say(`native tests: ${total} passed, 0 failed`);
});
