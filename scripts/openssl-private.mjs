// A private static build of the distribution's own OpenSSL 3.5, for machines whose system has an
// older one (Debian 12) or no development files.
//
// The source is Debian's source package of suite trixie, with Debian's patches, asked for at the
// mirrors this machine's apt is configured with and checked against apt's signed index. apt runs
// with a state directory of its own: the system's lists and sources stay untouched, and no root is
// needed. The result goes into the user's cache once and every later clone finds it there without
// any network:
//
//   ${XDG_CACHE_HOME:-~/.cache}/mxtls/openssl-<debian version>-<arch>-<hash of the options>
//     include/  lib/libssl.a  lib/libcrypto.a  bin/openssl
//
// To build a newer version after a security update of the distribution: `--newer`.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { forSuite, readAptSources, toDeb822 } from './apt-sources.mjs';
import { runLocked } from './lock.mjs';
import { run, Sentence, say } from './say.mjs';

const SUITE = 'trixie';
const SERIES = /^3\.5\.\d+/;
const ELSE = 'or set MXTLS_OPENSSL_DIR to an OpenSSL >= 3.5';

/**
 * Debian's own switches for protocols and ciphers, then ours. The prefix only names where OpenSSL
 * looks for loadable modules: a place that does not exist, so that no module of the system's other
 * OpenSSL is ever loaded. openssldir is the system's, so that default roots are found.
 */
const CONFIGURE = [
  '--prefix=/usr',
  '--libdir=lib',
  '--openssldir=/usr/lib/ssl',
  ...['no-idea', 'no-mdc2', 'no-rc5', 'no-ssl3', 'no-ssl3-method', 'no-capieng', 'no-rdrand'],
  ...['enable-rfc3779', 'enable-cms'],
  ...['no-shared', 'no-module', 'no-engine', 'no-tests', 'no-docs'],
  ...(['x64', 'arm64', 'ppc64', 'riscv64'].includes(process.arch)
    ? ['enable-ec_nistp_64_gcc_128']
    : []),
  ...['-fPIC', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2'],
];

const HASH = createHash('sha256').update(CONFIGURE.join(' ')).digest('hex').slice(0, 12);

/** Where everything of ours is kept between clones. */
export function cacheDir() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mxtls');
}

/** The newest finished private build, or null. Never builds. @returns {string | null} */
export function findPrivate() {
  const cache = cacheDir();
  const tail = `-${process.arch}-${HASH}`;
  const patch = (name) => Number(/^openssl-3\.5\.(\d+)/.exec(name)?.[1]);
  const builds = (existsSync(cache) ? readdirSync(cache) : [])
    .filter((name) => name.startsWith('openssl-3.5.') && name.endsWith(tail))
    .sort((a, b) => patch(a) - patch(b) || (a < b ? -1 : 1));
  const last = builds.at(-1);
  return last === undefined ? null : join(cache, last);
}

/** The private build, made now if it does not exist. Takes the lock. @returns {string} */
export function ensurePrivate({ newer = false } = {}) {
  const found = findPrivate();
  if (found !== null && !newer) {
    return found;
  }
  requireTools();
  const lock = join(cacheDir(), 'openssl.lock');
  runLocked(lock, 'OpenSSL 3.5', fileURLToPath(import.meta.url), newer ? ['--newer'] : []);
  const built = findPrivate();
  if (built === null) {
    throw new Sentence(''); // the locked build has said why
  }
  return built;
}

/** What the build needs, checked before anything is downloaded. */
function requireTools() {
  const has = (name) =>
    (process.env.PATH ?? '')
      .split(delimiter)
      .some((dir) => dir !== '' && existsSync(join(dir, name)));
  if (!has('apt-get')) {
    throw new Sentence(
      `no OpenSSL >= 3.5 was found; install its development files with static libraries ${ELSE}.`,
    );
  }
  const missing = [];
  const need = (ok, debianPackage) => ok || missing.push(debianPackage);
  need(has('cc') || has('gcc'), 'gcc');
  need(has('make'), 'make');
  // perl-base, which is always there, lacks the modules that OpenSSL's Configure loads.
  const modules = ['-MFile::Compare', '-MFile::Copy', '-MIPC::Cmd', '-MPod::Usage'];
  need(spawnSync('perl', [...modules, '-e', '1']).status === 0, 'perl');
  need(has('python3') || has('xz'), 'xz-utils');
  need(has('patch') || has('git'), 'patch');
  need(has('flock'), 'util-linux');
  if (missing.length > 0) {
    throw new Sentence(
      `building OpenSSL 3.5 needs more tools: run \`apt-get install ${missing.join(' ')}\` ${ELSE}.`,
    );
  }
}

async function buildLocked(newer) {
  const cache = cacheDir();
  const found = findPrivate();
  if (found !== null && !newer) {
    return;
  }
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith('build-'))) {
    rmSync(join(cache, name), { recursive: true, force: true }); // of a build that was killed
  }
  const work = mkdtempSync(join(cache, 'build-'));
  try {
    const { version, dir } = fetchSource(work);
    const target = join(cache, `openssl-${version}-${process.arch}-${HASH}`);
    if (existsSync(target)) {
      say(`OpenSSL ${version} is the newest to be had and is built already`);
      return;
    }
    const tree = unpack(work, dir);
    await compile(tree, join(work, 'root'));
    const result = join(work, 'root', 'usr');
    // What is left names the build's prefix, not the place where this copy lives.
    for (const name of ['pkgconfig', 'cmake', 'engines-3', 'ossl-modules']) {
      rmSync(join(result, 'lib', name), { recursive: true, force: true });
    }
    renameSync(result, target);
    say(`OpenSSL ${version} is ready in ${target}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** apt with its own state, cache and sources; only the Acquire settings (proxies) are the system's. */
function privateApt(work) {
  const sources = forSuite(readAptSources(), SUITE);
  if (sources.length === 0) {
    throw new Sentence(`apt on this machine has no Debian mirror in /etc/apt; add one ${ELSE}.`);
  }
  for (const dir of ['lists/partial', 'cache/archives/partial', 'sources', 'source']) {
    mkdirSync(join(work, dir), { recursive: true });
  }
  writeFileSync(join(work, 'sources', 'debian.sources'), toDeb822(sources, 'deb-src'));
  const acquire = spawnSync('apt-config', ['dump', '--format', '%F "%v";%n', 'Acquire']).stdout;
  writeFileSync(
    join(work, 'apt.conf'),
    `Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "${work}/sources";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "${work}";
Dir::State::lists "${work}/lists";
Dir::State::status "/dev/null";
Dir::Cache "${work}/cache";
Dir::Log "${work}";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "30";
${acquire}`,
  );
  const env = { ...process.env, APT_CONFIG: join(work, 'apt.conf'), LC_ALL: 'C' };
  return (command, ...args) =>
    spawnSync(command, args, { env, cwd: join(work, 'source'), encoding: 'utf8' });
}

/** Downloads the newest 3.5 source package that can really be had. */
function fetchSource(work) {
  const apt = privateApt(work);
  say(`asking the machine's Debian mirrors for OpenSSL 3.5 (suite ${SUITE})`);
  const update = apt('apt-get', '-q', 'update');
  const listed = parseShowsrc(apt('apt-cache', 'showsrc', 'openssl').stdout)
    .filter((entry) => SERIES.test(entry.version))
    .sort((a, b) => (debianNewer(a.version, b.version) ? -1 : 1));
  if (listed.length === 0) {
    throw new Sentence(
      `the Debian mirrors of this machine list no OpenSSL 3.5 source (${lastError(update)}); ` +
        `connect it to the network once ${ELSE}.`,
    );
  }
  let last = '';
  for (const entry of listed) {
    say(`downloading the source of OpenSSL ${entry.version}`);
    const got = apt('apt-get', '-q', 'source', '--download-only', `openssl=${entry.version}`);
    if (got.status === 0) {
      const dir = join(work, 'source');
      checkHashes(dir, entry);
      return { version: entry.version, dir };
    }
    last = lastError(got);
    say(`${entry.version} is listed but cannot be had (${last})`);
  }
  throw new Sentence(
    `no listed OpenSSL 3.5 source could be downloaded (${last}); try again later ${ELSE}.`,
  );
}

function lastError(result) {
  const lines = (result.stderr ?? '').split('\n').filter((line) => /^[EW]: /.test(line));
  return (lines[0] ?? 'no reason given')
    .replace(/^[EW]: /, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function debianNewer(a, b) {
  return spawnSync('dpkg', ['--compare-versions', a, 'gt', b]).status === 0;
}

/** Versions and their files with SHA-256, from `apt-cache showsrc`. */
export function parseShowsrc(text) {
  return text
    .split(/\n\s*\n/)
    .map((stanza) => {
      const version = /^Version: (\S+)$/m.exec(stanza)?.[1] ?? '';
      const block = /^Checksums-Sha256:\s*\n((?: .*\n?)+)/m.exec(stanza)?.[1] ?? '';
      const files = [...block.matchAll(/^ ([0-9a-f]{64}) (\d+) ([^\s/]+)$/gm)].map((m) => ({
        sha256: m[1],
        name: m[3],
      }));
      return { version, files };
    })
    .filter((entry) => entry.version !== '' && entry.files.length > 0);
}

/** apt has checked these already; an unpacked file that nobody checked would be compiled and run. */
function checkHashes(dir, entry) {
  for (const file of entry.files) {
    const sha256 = createHash('sha256')
      .update(readFileSync(join(dir, file.name)))
      .digest('hex');
    if (sha256 !== file.sha256) {
      throw new Sentence(
        `${file.name} does not have the SHA-256 of the signed index; try again ${ELSE}.`,
      );
    }
  }
}

/** Unpacks a "3.0 (quilt)" source package without dpkg-dev. @returns {string} the patched tree */
function unpack(work, dir) {
  say("unpacking and applying the distribution's patches");
  const name = (end) => join(dir, readdirSync(dir).find((file) => file.endsWith(end)) ?? '');
  const tree = join(work, 'openssl');
  mkdirSync(tree);
  must('tar', ['-C', tree, '--strip-components=1', '-xf', name('.orig.tar.gz')]);
  const debian = name('.debian.tar.xz');
  if (spawnSync('tar', ['-C', tree, '-xf', debian]).status !== 0) {
    must('python3', [
      '-c',
      'import sys,tarfile;tarfile.open(sys.argv[1]).extractall(sys.argv[2])',
      debian,
      tree,
    ]);
  }
  const patches = join(tree, 'debian', 'patches');
  const series = readFileSync(join(patches, 'series'), 'utf8').split('\n');
  const usePatch = spawnSync('patch', ['--version']).status === 0;
  for (const entry of series.map((line) => line.replace(/(^|\s)#.*/, '').trim()).filter(Boolean)) {
    const file = join(patches, entry.split(/\s+/)[0]);
    if (usePatch) {
      must('patch', ['-p1', '-s', '-f', '-i', file], tree);
    } else {
      // Without a ceiling git would take a repository around the cache for the one to patch.
      must('git', ['apply', '-p1', file], tree, { GIT_CEILING_DIRECTORIES: work });
    }
  }
  return tree;
}

function must(command, args, cwd, env = {}) {
  const done = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8' });
  if (done.status !== 0) {
    const text = `${done.stderr ?? ''}${done.stdout ?? ''}`
      .trim()
      .split('\n')
      .slice(-15)
      .join('\n');
    say(`${command} said:\n${text}`);
    throw new Sentence(`${command} failed while building OpenSSL 3.5; see above, ${ELSE}.`);
  }
}

async function compile(tree, root) {
  const jobs = availableParallelism();
  say('configuring OpenSSL');
  // The caller's compiler flags are for his own programs and not part of the name of this build.
  for (const name of ['CFLAGS', 'CPPFLAGS', 'LDFLAGS', 'MAKEFLAGS']) {
    delete process.env[name];
  }
  must('perl', ['Configure', ...CONFIGURE], tree);
  say(`compiling OpenSSL with ${jobs} jobs (about 2 minutes on 2 cores)`);
  const total = new Set(readFileSync(join(tree, 'Makefile'), 'utf8').match(/^\S+\.o(?=:)/gm)).size;
  await make(tree, ['-j', String(jobs), 'build_sw'], total);
  say('installing OpenSSL into the cache');
  must('make', ['install_sw', `DESTDIR=${root}`], tree);
}

/** make with movement: a percentage in place on a terminal, a line every tenth elsewhere. */
async function make(cwd, args, total) {
  const child = spawn('make', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let compiled = 0;
  let shown = 0;
  const tail = [];
  const read = async (stream) => {
    for await (const line of createInterface({ input: stream })) {
      tail.push(line);
      tail.splice(0, tail.length - 20);
      if (!/ -c .*\.o\b/.test(line)) {
        continue;
      }
      compiled += 1;
      const percent = Math.min(99, Math.floor((compiled * 100) / total));
      const step = process.stderr.isTTY ? 1 : 10;
      if (percent >= shown + step) {
        shown = percent - (percent % step);
        const text = `mxtls: compiling OpenSSL: ${shown}% (${compiled} of ${total} files)`;
        process.stderr.write(process.stderr.isTTY ? `\r${text}` : `${text}\n`);
      }
    }
  };
  const ended = new Promise((resolve) => child.once('close', resolve));
  await Promise.all([read(child.stdout), read(child.stderr)]);
  const status = await ended;
  if (process.stderr.isTTY) {
    process.stderr.write('\n');
  }
  if (status !== 0) {
    say(`make said:\n${tail.join('\n')}`);
    throw new Sentence(`OpenSSL 3.5 did not compile; see above, ${ELSE}.`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const newer = process.argv.includes('--newer');
  await run(async () => {
    if (process.argv.includes('--locked')) {
      await buildLocked(newer);
    } else {
      process.stdout.write(`${ensurePrivate({ newer })}\n`);
    }
  });
}
