// Is what we would publish usable? Packs the tarball with the prebuilt binary inside, installs it
// in an empty folder with no compiler on PATH, and delivers one message over TLS there, on each
// node release that we support. The node programs come from npm (packages node-linux-<arch>) and
// are kept in the user's cache.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
} from 'node:fs';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureOpenssl } from './openssl.mjs';
import { cacheDir } from './openssl-private.mjs';
import { run, Sentence, say } from './say.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const RELEASES = ['20', '22', '24'];

function must(what, command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}\n`);
    throw new Sentence(`smoke: ${what} failed; see above.`);
  }
  return done.stdout;
}

/** The node program of a release, from npm. */
export function nodeProgram(release) {
  const dir = join(cacheDir(), `node-${release}-${process.arch}`);
  const name = `node-linux-${process.arch}`;
  const file = join(dir, 'node_modules', name, 'bin', 'node');
  if (!existsSync(file)) {
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'package.json'), '{"private":true}\n');
    must(`fetching node ${release}`, 'npm', ['install', '--no-save', `${name}@${release}`], {
      cwd: dir,
    });
  }
  return file;
}

function findOnPath(name) {
  const dirs = (process.env.PATH ?? '').split(delimiter);
  const dir = dirs.find((entry) => entry !== '' && existsSync(join(entry, name)));
  if (dir === undefined) {
    throw new Sentence(`smoke: ${name} is not on PATH.`);
  }
  return realpathSync(join(dir, name));
}

/** A PATH with node, npm and a shell, and nothing to compile with. */
function barePath(dir, node) {
  mkdirSync(dir, { recursive: true });
  symlinkSync(node, join(dir, 'node'));
  symlinkSync(findOnPath('npm'), join(dir, 'npm'));
  symlinkSync(findOnPath('sh'), join(dir, 'sh'));
  return dir;
}

/** A private key and its certificate in one file, as `chainFiles` wants it. */
function makeChain(work) {
  const openssl = ensureOpenssl().bin ?? findOnPath('openssl');
  const file = (name) => join(work, name);
  must('making a certificate', openssl, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', '/CN=smoke.test', '-days', '30', '-keyout', file('key.pem')],
    ...['-out', file('cert.pem')],
  ]);
  must('joining key and certificate', 'sh', ['-c', 'cat key.pem cert.pem > chain.pem'], {
    cwd: work,
  });
  return file('chain.pem');
}

function smokeOn(release, work, tarball, chain) {
  const node = nodeProgram(release);
  const dir = join(work, `node-${release}`);
  const PATH = barePath(join(dir, 'bin'), node);
  const env = { ...process.env, PATH };
  writeFileSync(join(dir, 'package.json'), '{"private":true,"type":"module"}\n');
  must(
    `installing the tarball on node ${release}`,
    join(PATH, 'node'),
    [...[findOnPath('npm'), 'install', '--no-save', tarball]],
    { cwd: dir, env },
  );
  copyFileSync(join(ROOT, 'scripts', 'smoke-handshake.mjs'), join(dir, 'handshake.mjs'));
  const output = must(
    `the handshake on node ${release}`,
    join(PATH, 'node'),
    ['handshake.mjs', chain],
    {
      cwd: dir,
      env,
      timeout: 60_000,
    },
  );
  const { protocol, group } = JSON.parse(output.trim().split('\n').at(-1) ?? '');
  say(`smoke: node ${release}: ${protocol}, ${group}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(() => {
    const work = mkdtempSync(join(tmpdir(), 'mxtls-smoke-'));
    try {
      const quiet = { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] };
      must('building dist', 'npm', ['run', 'build'], quiet);
      must('the prebuild', process.execPath, [join(ROOT, 'scripts', 'prebuild.mjs')], quiet);
      must('packing', 'npm', ['pack', '--ignore-scripts', '--pack-destination', work], {
        cwd: ROOT,
      });
      const tarball = join(work, readdirSync(work).find((name) => name.endsWith('.tgz')) ?? '');
      const chain = makeChain(work);
      for (const release of RELEASES) {
        smokeOn(release, work, tarball, chain);
      }
      say(`smoke: ${RELEASES.length} passed, 0 failed`);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
}
