// Which OpenSSL >= 3.5 the addon is built with, and how it is linked.
//
// Looked for in this order: MXTLS_OPENSSL_DIR; the system's; the private static build in the user's
// cache (scripts/openssl-private.mjs). The mode follows from what is there:
//
//   static   OpenSSL inside the addon, hidden. The private build, musl, and every node that itself
//            shares the system's libssl: one library for both would mean one configuration for both.
//   dynamic  the system's libssl.so. Only with glibc and a node that has its own OpenSSL.
//
// MXTLS_OPENSSL_MODE=static|dynamic insists. binding.gyp and CMakeLists.txt ask this file:
//   node scripts/openssl.mjs --print include|libs|mode|bin|json
// It answers from what is there and builds nothing; `ensureOpenssl` is for the install step.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensurePrivate, findPrivate } from './openssl-private.mjs';
import { run, Sentence } from './say.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const WANTED = [3, 5];

/**
 * @typedef {object} Place  one OpenSSL on disk, whatever its version
 * @property {'dir' | 'system' | 'private'} source
 * @property {string} version
 * @property {string[]} headers       directories that hold openssl/*.h
 * @property {string} libDir
 * @property {boolean} hasStatic
 * @property {boolean} hasShared
 * @property {string | null} bin      the openssl program
 *
 * @typedef {object} Machine  what decides about the mode
 * @property {boolean} musl
 * @property {boolean} nodeSharesOpenssl
 *
 * @typedef {object} OpenSsl  the answer
 * @property {'dir' | 'system' | 'private'} source
 * @property {string} version
 * @property {'static' | 'dynamic'} mode
 * @property {string} include
 * @property {string[]} libs          linker arguments
 * @property {string} libDir
 * @property {string | null} bin
 */

/** @returns {Machine} */
export function thisMachine() {
  return {
    musl: /\/ld-musl-/.test(readFileSync('/proc/self/maps', 'utf8')),
    nodeSharesOpenssl: String(process.config.variables.node_shared_openssl) === 'true',
  };
}

/** Version in opensslv.h below an include directory, or null. */
export function headerVersion(include) {
  const file = join(include, 'openssl', 'opensslv.h');
  if (!existsSync(file)) {
    return null;
  }
  const text = readFileSync(file, 'utf8');
  const part = (name) =>
    new RegExp(`^# *define +OPENSSL_VERSION_${name} +(\\d+)`, 'm').exec(text)?.[1];
  const parts = [part('MAJOR'), part('MINOR'), part('PATCH')];
  return parts.includes(undefined) ? null : parts.join('.');
}

export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1]);
}

/**
 * How `place` can be linked on `machine`; `forced` is MXTLS_OPENSSL_MODE or ''.
 * @param {Place} place @param {Machine} machine @param {string} forced
 * @returns {{ mode: 'static' | 'dynamic' } | { problem: string }}
 */
export function chooseMode(place, machine, forced) {
  const noDynamic = machine.musl
    ? 'musl has no RTLD_DEEPBIND, so OpenSSL must be linked statically'
    : machine.nodeSharesOpenssl
      ? "this node shares the system's OpenSSL, so ours must be linked statically"
      : !place.hasShared
        ? `there is no libssl.so in ${place.libDir}`
        : null;
  const noStatic = place.hasStatic
    ? null
    : `there is no libssl.a and libcrypto.a (with what they need) in ${place.libDir}`;
  if (forced !== '' && forced !== 'static' && forced !== 'dynamic') {
    return { problem: `MXTLS_OPENSSL_MODE is "${forced}"; set it to static or dynamic` };
  }
  const order =
    forced !== ''
      ? [forced]
      : place.source === 'system'
        ? ['dynamic', 'static']
        : ['static', 'dynamic'];
  const mode = order.find((name) => (name === 'static' ? noStatic : noDynamic) === null);
  if (mode !== undefined) {
    return { mode };
  }
  const why = order.map((name) => (name === 'static' ? noStatic : noDynamic)).join(', and ');
  return { problem: `${why}; install what is missing or set MXTLS_OPENSSL_DIR` };
}

/** Linker arguments. Full paths for archives, so that no libssl.so beside them is taken instead. */
export function linkArguments(place, mode) {
  if (mode === 'static') {
    const archives = ['libssl.a', 'libcrypto.a'].map((name) => join(place.libDir, name));
    return [...archives, ...(privateLibs(place.libDir) ?? [])];
  }
  const own = place.source === 'dir' ? [`-Wl,-rpath,${place.libDir}`] : [];
  return [`-L${place.libDir}`, ...own, '-lssl', '-lcrypto'];
}

/**
 * What a static libcrypto of the distribution needs besides (zlib, zstd), by its .pc file; null where
 * one is not there. An archive is preferred, because it is hidden with the rest. libssl-dev does not
 * bring the development packages of these, but libssl itself brings libz.so.1.
 * @returns {string[] | null}
 */
export function privateLibs(libDir) {
  const pc = join(libDir, 'pkgconfig', 'libcrypto.pc');
  const line = existsSync(pc) ? /^Libs\.private:(.*)$/m.exec(readFileSync(pc, 'utf8'))?.[1] : '';
  const names = [...(line ?? '').matchAll(/(?:^|\s)-l(\S+)/g)].map((m) => `lib${m[1]}`);
  const files = readdirSync(libDir);
  const found = names
    .filter((name) => name !== 'libdl' && name !== 'libpthread')
    .map((name) => {
      const versions = files.filter((file) => file.startsWith(`${name}.so.`)).sort();
      return [`${name}.a`, `${name}.so`, ...versions].find((file) => files.includes(file));
    });
  return found.includes(undefined) ? null : found.map((file) => join(libDir, file));
}

/** @returns {Place | null} */
function look(source, headers, libDirs, binDirs) {
  const version = headers.map(headerVersion).find((found) => found !== null) ?? null;
  const has = (dir, end) =>
    existsSync(join(dir, `libssl.${end}`)) && existsSync(join(dir, `libcrypto.${end}`));
  const libDir = libDirs.find((dir) => has(dir, 'a') || has(dir, 'so'));
  if (version === null || libDir === undefined) {
    return null;
  }
  const bin = binDirs.map((dir) => join(dir, 'openssl')).find((file) => existsSync(file)) ?? null;
  const hasStatic = has(libDir, 'a') && privateLibs(libDir) !== null;
  const hasShared = has(libDir, 'so');
  return { source, version, headers, libDir, hasStatic, hasShared, bin };
}

function lookInPrefix(source, prefix) {
  const libDirs = [
    'lib',
    'lib64',
    ...multiarch(join(prefix, 'lib')).map((name) => join('lib', name)),
    '.',
  ];
  const headers = [
    'include',
    ...multiarch(join(prefix, 'include')).map((name) => join('include', name)),
  ];
  return look(
    source,
    headers.map((dir) => join(prefix, dir)),
    libDirs.map((dir) => join(prefix, dir)),
    [join(prefix, 'bin'), join(prefix, 'apps')],
  );
}

/** Debian's directory for this architecture (x86_64-linux-gnu), where there is one. */
function multiarch(dir) {
  const cpu = { x64: 'x86_64', arm64: 'aarch64', ppc64: 'powerpc64le', ia32: 'i386' }[process.arch];
  const prefix = `${cpu ?? process.arch}-linux-`;
  return existsSync(dir) ? readdirSync(dir).filter((name) => name.startsWith(prefix)) : [];
}

/** The system's, by pkg-config, or at the usual places where there is no pkg-config. */
function lookInSystem() {
  const query = (variable) =>
    spawnSync('pkg-config', [`--variable=${variable}`, 'libssl'], {
      encoding: 'utf8',
    }).stdout?.trim();
  const include = query('includedir');
  const libDir = query('libdir');
  const path = (process.env.PATH ?? '').split(':').filter(Boolean);
  if (include && libDir) {
    const beside = multiarch(include).map((name) => join(include, name));
    const found = look('system', [include, ...beside], [libDir], path);
    if (found !== null) {
      return found;
    }
  }
  for (const prefix of ['/usr', '/usr/local']) {
    const found = lookInPrefix('system', prefix);
    if (found !== null && isNewEnough(found.version)) {
      return found;
    }
  }
  return null;
}

/**
 * The OpenSSL to build with, or null when a private one has to be made first.
 * @returns {OpenSsl | null}
 */
export function findOpenssl({ env = process.env, machine = thisMachine() } = {}) {
  const forced = env.MXTLS_OPENSSL_MODE ?? '';
  if (env.MXTLS_OPENSSL_DIR) {
    return answer(fromDirectory(resolve(env.MXTLS_OPENSSL_DIR)), machine, forced);
  }
  const system = lookInSystem();
  if (system !== null && isNewEnough(system.version)) {
    // Without the archives a node that must link statically goes on to the private build.
    if (!('problem' in chooseMode(system, machine, forced))) {
      return answer(system, machine, forced);
    }
  }
  if (forced === 'dynamic') {
    throw new Sentence(
      'MXTLS_OPENSSL_MODE=dynamic needs a system OpenSSL >= 3.5 with libssl.so and a node on glibc ' +
        'that has its own OpenSSL; install libssl-dev >= 3.5 or unset it.',
    );
  }
  const found = findPrivate();
  const place = found === null ? null : lookInPrefix('private', found);
  return place === null ? null : answer(place, machine, forced);
}

function fromDirectory(dir) {
  const place = lookInPrefix('dir', dir);
  if (place === null) {
    throw new Sentence(
      `MXTLS_OPENSSL_DIR is ${dir}, where include/openssl/opensslv.h or libssl and libcrypto are missing; ` +
        'set it to the prefix of an OpenSSL >= 3.5.',
    );
  }
  if (!isNewEnough(place.version)) {
    throw new Sentence(
      `MXTLS_OPENSSL_DIR is ${dir}, which is OpenSSL ${place.version}; set it to the prefix of an OpenSSL >= 3.5.`,
    );
  }
  return place;
}

/** @returns {OpenSsl} */
function answer(place, machine, forced) {
  const chosen = chooseMode(place, machine, forced);
  if ('problem' in chosen) {
    throw new Sentence(`${chosen.problem}.`);
  }
  const { source, version, libDir, bin } = place;
  const libs = linkArguments(place, chosen.mode);
  return { source, version, mode: chosen.mode, include: includeDir(place), libs, libDir, bin };
}

/**
 * One -I directory that wins over node's copy of openssl/. gcc ignores -I for its own standard
 * directories, so for those a directory of links is made: without it a build against the system's
 * 3.5 would silently take node's headers.
 */
function includeDir(place) {
  const headers = place.headers.filter((dir) => existsSync(join(dir, 'openssl')));
  const standard = /^\/usr(\/local)?\/include(\/|$)/;
  if (headers.length === 1 && !standard.test(headers[0])) {
    return headers[0];
  }
  const links = join(ROOT, 'build', `openssl-${place.version}-include`);
  const inside = join(links, 'openssl');
  rmSync(inside, { recursive: true, force: true });
  mkdirSync(inside, { recursive: true });
  for (const file of headers.flatMap(headerFiles)) {
    symlinkSync(file, join(inside, basename(file)));
  }
  return links;
}

function headerFiles(dir) {
  const files = readdirSync(join(dir, 'openssl')).map((name) => join(dir, 'openssl', name));
  return files.filter((file) => file.endsWith('.h'));
}

/** For the install step: the answer, with the private build made now if nothing else is there. */
export function ensureOpenssl() {
  const found = findOpenssl();
  if (found !== null) {
    return found;
  }
  ensurePrivate();
  return findOpenssl();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(() => {
    const what = process.argv[process.argv.indexOf('--print') + 1] ?? 'json';
    const found = findOpenssl();
    if (found === null) {
      throw new Sentence(
        'no OpenSSL >= 3.5 is ready; run `npm run build:native`, which makes one.',
      );
    }
    const text = {
      include: found.include,
      libs: found.libs.join(' '),
      mode: found.mode,
      bin: found.bin ?? '',
      json: JSON.stringify(found),
    }[what];
    if (text === undefined) {
      throw new Sentence(`cannot print "${what}"; use --print include, libs, mode, bin or json.`);
    }
    process.stdout.write(`${text}\n`);
  });
}
