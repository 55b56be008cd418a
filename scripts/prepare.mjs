// npm's prepare step: dist/ from lib/. Skipped where the developers' packages are not installed
// (`npm ci --omit=dev`, an install from the packed tarball, which carries dist/ already).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { say } from './say.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
if (!existsSync(tsc) || !existsSync(join(root, 'lib'))) {
  say('typescript is not installed here; dist/ is left as it is');
} else {
  const args = [tsc, '-p', join(root, 'tsconfig.build.json')];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}
