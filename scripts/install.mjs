// What `npm install` runs: a prebuilt binary of this platform is taken as it is; otherwise OpenSSL
// >= 3.5 is found (or made, see openssl-private.mjs) and the addon is compiled with node-gyp.
// `--compile` (npm run build:native) or a wish for a certain OpenSSL in the environment compiles in
// any case.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureOpenssl, thisMachine } from './openssl.mjs';
import { run, Sentence, say } from './say.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The binary that `npm run prebuilds` made for this platform; the loader looks at the same place. */
function prebuilt() {
  const libc = thisMachine().musl ? 'musl' : 'glibc';
  return join(ROOT, 'prebuilds', `linux-${process.arch}`, `mxtls_static.${libc}.node`);
}

/** The headers that came with this node, so that node-gyp need not download any. */
export function nodeHeaders(execPath = process.execPath) {
  const prefix = dirname(dirname(execPath));
  const file = join(prefix, 'include', 'node', 'node_version.h');
  if (!existsSync(file)) {
    return null;
  }
  const text = readFileSync(file, 'utf8');
  const part = (name) => new RegExp(`^#define NODE_${name}_VERSION (\\d+)`, 'm').exec(text)?.[1];
  const version = [part('MAJOR'), part('MINOR'), part('PATCH')].join('.');
  return version === process.versions.node ? prefix : null;
}

function requireTools() {
  const missing = ['g++', 'make', 'python3'].filter(
    (name) => spawnSync(name, ['--version']).error !== undefined,
  );
  if (missing.length > 0) {
    throw new Sentence(
      `the addon has to be compiled here, and ${missing.join(', ')} is missing; ` +
        `run \`apt-get install ${missing.join(' ')}\` or what corresponds to it.`,
    );
  }
}

function compile() {
  requireTools();
  const openssl = ensureOpenssl();
  say(`compiling the addon with OpenSSL ${openssl.version} (${openssl.source}, ${openssl.mode})`);
  for (const mode of ['static', 'dynamic']) {
    rmSync(join(ROOT, 'build', 'Release', `mxtls_${mode}.node`), { force: true });
  }
  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const headers = nodeHeaders();
  const args = [
    nodeGyp,
    'configure',
    'build',
    '--silent',
    '--jobs=max',
    ...(headers ? [`--nodedir=${headers}`] : []),
  ];
  // gyp files run `node`: the one that will load the addon must answer.
  const PATH = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`;
  const env = { ...process.env, PATH };
  const done = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: 'inherit' });
  if (done.status !== 0) {
    throw new Sentence('node-gyp could not compile the addon; its messages are above.');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(() => {
    const { MXTLS_OPENSSL_DIR, MXTLS_OPENSSL_MODE } = process.env;
    const wished = process.argv.includes('--compile') || MXTLS_OPENSSL_DIR || MXTLS_OPENSSL_MODE;
    if (!wished && existsSync(prebuilt())) {
      say('using the prebuilt binary');
      return;
    }
    compile();
  });
}
