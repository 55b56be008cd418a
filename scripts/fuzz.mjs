// `npm run fuzz -- [SECONDS] [TARGET ...]`: every fuzz target for so many seconds (60).
//
// The native ones run under libFuzzer where clang is installed, else under a driver of our own that
// changes inputs without guidance; what libFuzzer finds new is kept in build/fuzz/corpus. The
// TypeScript ones run in vitest. The ordinary tests replay the corpora of the tree.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, Sentence, say } from './say.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CORPUS = join(ROOT, 'native', 'test', 'fuzz', 'corpus');
const TYPESCRIPT = join(ROOT, 'test', 'fuzz');
const USAGE = 'Usage: npm run fuzz -- [SECONDS] [TARGET ...]';

function step(what, command, args) {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
    throw new Sentence(`fuzz: ${what} failed; see above.`);
  }
}

function hasProgram(name) {
  return spawnSync(name, ['--version']).status === 0;
}

/** Builds the native targets; the folder of the programs. */
function build(targets, libfuzzer) {
  const folder = join('build', libfuzzer ? 'fuzz' : 'fuzz-driver');
  step('configuring', 'cmake', [
    ...['-S', '.', '-B', folder, '-DMXTLS_SANITIZE=address', '-DCMAKE_BUILD_TYPE=RelWithDebInfo'],
    ...(libfuzzer
      ? ['-DMXTLS_FUZZER=libfuzzer', '-DCMAKE_C_COMPILER=clang', '-DCMAKE_CXX_COMPILER=clang++']
      : ['-DMXTLS_FUZZER=driver']),
  ]);
  const jobs = String(availableParallelism());
  const programs = targets.map((target) => `fuzz_${target}`);
  step('compiling', 'cmake', ['--build', folder, '-j', jobs, '--target', ...programs]);
  return join(ROOT, folder);
}

/** One native target; true when it held. */
function fuzzNative(folder, target, seconds, libfuzzer) {
  const found = join(folder, 'corpus', target);
  mkdirSync(found, { recursive: true });
  const args = libfuzzer
    ? [`-max_total_time=${seconds}`, '-max_len=8192', '-verbosity=0', '-print_final_stats=1', found]
    : [`-seconds=${seconds}`];
  say(`${target}: ${seconds} s`);
  const { status } = spawnSync(join(folder, `fuzz_${target}`), [...args, join(CORPUS, target)], {
    cwd: folder,
    stdio: 'inherit',
    env: { ...process.env, MXTLS_TEST_TMPDIR: folder },
  });
  return status === 0;
}

function fuzzTypeScript(target, seconds) {
  say(`${target}: ${seconds} s`);
  const args = ['vitest', 'run', '--reporter=dot', join('test', 'fuzz', `${target}.test.ts`)];
  const env = { ...process.env, MXTLS_FUZZ_SECONDS: String(seconds) };
  return spawnSync('npx', args, { cwd: ROOT, stdio: 'inherit', env }).status === 0;
}

function parse(args, known) {
  const [first = '60', ...rest] = args;
  const seconds = /^\d+$/.test(first) ? Number(first) : 60;
  const wanted = /^\d+$/.test(first) ? rest : args;
  const unknown = wanted.find((target) => !known.includes(target));
  if (unknown !== undefined) {
    throw new Sentence(`fuzz: no target "${unknown}"; there are ${known.join(', ')}.\n${USAGE}`);
  }
  return { seconds, wanted: wanted.length === 0 ? known : wanted };
}

await run(() => {
  const native = readdirSync(CORPUS);
  const typescript = readdirSync(TYPESCRIPT).flatMap(
    (file) => /^(.*)\.test\.ts$/.exec(file)?.[1] ?? [],
  );
  const { seconds, wanted } = parse(process.argv.slice(2), [...native, ...typescript]);
  const failed = [];
  const chosen = native.filter((target) => wanted.includes(target));
  if (chosen.length > 0) {
    if (!hasProgram('cmake')) {
      throw new Sentence('fuzz: cmake is missing; run `apt-get install cmake`.');
    }
    const libfuzzer = hasProgram('clang');
    say(libfuzzer ? 'with libFuzzer' : 'without guidance: libFuzzer needs `apt-get install clang`');
    const folder = build(chosen, libfuzzer);
    failed.push(...chosen.filter((target) => !fuzzNative(folder, target, seconds, libfuzzer)));
  }
  const others = typescript.filter((target) => wanted.includes(target));
  failed.push(...others.filter((target) => !fuzzTypeScript(target, seconds)));
  if (failed.length > 0) {
    throw new Sentence(`fuzz: ${failed.join(', ')} failed; the inputs are in build/.`);
  }
  say(`fuzz: ${wanted.length} targets held`);
});
