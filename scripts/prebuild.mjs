// `npm run prebuilds`: prebuilds/linux-<arch>/mxtls_static.<libc>.node, which the package ships so
// that an install need not compile. Always static: a shipped binary cannot know the libssl of the
// machine it will run on. Built in a copy of the tree, because prebuildify starts with a clean build
// directory and would take the developers' build with it.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeHeaders } from './install.mjs';
import { ensureOpenssl } from './openssl.mjs';
import { run, Sentence, say } from './say.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

await run(() => {
  process.env.MXTLS_OPENSSL_MODE = 'static';
  const openssl = ensureOpenssl();
  say(`making the prebuilt binary with OpenSSL ${openssl.version} (${openssl.source})`);
  const copy = mkdtempSync(join(tmpdir(), 'mxtls-prebuild-'));
  try {
    for (const name of ['package.json', 'binding.gyp', 'native', 'scripts']) {
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    const prebuildify = join(ROOT, 'node_modules', 'prebuildify', 'bin.js');
    const args = ['--napi', '--tag-libc', '--strip', '--name', 'mxtls_static', '--out', ROOT];
    const headers = nodeHeaders();
    const PATH = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`;
    const env = {
      ...process.env,
      PATH,
      JOBS: 'max',
      npm_config_loglevel: 'error',
      ...(headers ? { npm_config_nodedir: headers } : {}),
    };
    const done = spawnSync(process.execPath, [prebuildify, ...args], {
      cwd: copy,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (done.status !== 0) {
      throw new Sentence('prebuildify failed; its messages are above.');
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  say('prebuilds/ is ready');
});
