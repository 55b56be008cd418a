// clang-format over native/: a check, or with --write the change. Without clang-format it says so;
// in CI that is a failure.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, Sentence, say } from './say.mjs';

const NATIVE = join(dirname(dirname(fileURLToPath(import.meta.url))), 'native');

await run(() => {
  if (spawnSync('clang-format', ['--version']).status !== 0) {
    const sentence =
      'native/ is not checked: clang-format is missing; run `apt-get install clang-format`.';
    if (process.env.CI) {
      throw new Sentence(sentence);
    }
    say(sentence);
    return;
  }
  const files = readdirSync(NATIVE, { recursive: true })
    .map((name) => join(NATIVE, String(name)))
    .filter((name) => /\.(c|cc|h)$/.test(name));
  const action = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror'];
  const done = spawnSync('clang-format', [...action, ...files], { stdio: 'inherit' });
  if (done.status !== 0) {
    throw new Sentence('native/ is not formatted; run `npm run format`.');
  }
});
