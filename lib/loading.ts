/**
 * The decisions of the loader as pure functions: which binary, whether it may be loaded here, what a failure means.
 *
 * Why there is something to decide: the node executable exports its own OpenSSL, and symbols of the executable win
 * over those of a shared library. A static binary (OpenSSL inside, hidden) is safe everywhere. A dynamic one (the
 * system's libssl) is safe only with RTLD_DEEPBIND, and only when nobody mapped libssl or libcrypto before: those
 * copies are bound to node already. RTLD_DEEPBIND in turn breaks a preloaded allocator, because libc's own calls
 * and ours would then use different ones. `addon.ts` acts on the answers.
 */
import { basename } from 'node:path';
import { TlsError } from './errors.js';
import type { LibraryInfo } from './native.js';

export type LinkMode = 'static' | 'dynamic';

export interface Binary {
  readonly file: string;
  readonly mode: LinkMode;
}

/** What the loader knows of the process it is in. */
export interface Host {
  /** Files mapped into the process, from /proc/self/maps. */
  readonly mapped: readonly string[];
  /** Environment variable LD_PRELOAD, or ''. */
  readonly preload: string;
  /** This node uses the system's libssl and has none of its own. */
  readonly nodeSharesSystem: boolean;
}

const REBUILD = 'run `npm rebuild mxtls`';

/** Distinct file names in the text of /proc/self/maps. */
export function parseMaps(text: string): string[] {
  const files = text.split('\n').flatMap((line) => {
    // address perms offset dev inode path; a replaced file is marked " (deleted)".
    const path = /^\S+ \S+ \S+ \S+ \d+ +(\/.*?)( \(deleted\))?$/.exec(line)?.[1];
    return path === undefined ? [] : [path];
  });
  return [...new Set(files)];
}

export function isMusl(host: Host): boolean {
  return host.mapped.some((file) => basename(file).startsWith('ld-musl-'));
}

/** Where binaries are looked for, best first: what was compiled here goes before what was shipped. */
export function candidates(root: string, arch: string, host: Host): Binary[] {
  const compiled = (mode: LinkMode): Binary => ({
    file: `${root}/build/Release/mxtls_${mode}.node`,
    mode,
  });
  const libc = isMusl(host) ? 'musl' : 'glibc';
  const prebuilt: Binary = {
    file: `${root}/prebuilds/linux-${arch}/mxtls_static.${libc}.node`,
    mode: 'static',
  };
  const order: LinkMode[] =
    isMusl(host) || host.nodeSharesSystem ? ['static', 'dynamic'] : ['dynamic', 'static'];
  return [...order.map(compiled), prebuilt];
}

/** MXTLS_BINARY, else the first candidate that exists. @throws TlsError ADDON_NOT_FOUND */
export function chooseBinary(
  override: string | undefined,
  list: readonly Binary[],
  exists: (file: string) => boolean,
): Binary {
  if (override !== undefined && override !== '') {
    if (!exists(override)) {
      throw new TlsError({
        code: 'ADDON_NOT_FOUND',
        message: `MXTLS_BINARY names ${override}, which does not exist`,
        suggestion: 'set it to a compiled addon or unset it',
      });
    }
    return { file: override, mode: basename(override).includes('dynamic') ? 'dynamic' : 'static' };
  }
  const found = list.find((binary) => exists(binary.file));
  if (found === undefined) {
    throw new TlsError({
      code: 'ADDON_NOT_FOUND',
      message: 'there is no compiled addon for this platform',
      suggestion: `${REBUILD} (with g++, make and python3 installed)`,
    });
  }
  return found;
}

/** Why `binary` must not be loaded into this process, or null. */
export function refuseLoad(binary: Binary, host: Host): TlsError | null {
  if (binary.mode === 'static') {
    return null;
  }
  const refuse = (message: string, suggestion: string): TlsError =>
    new TlsError({ code: 'ADDON_UNUSABLE', message, suggestion });
  if (isMusl(host)) {
    return refuse('the addon is linked dynamically, which musl cannot isolate', REBUILD);
  }
  if (host.nodeSharesSystem) {
    return refuse(
      'the addon is linked to the OpenSSL that this node itself shares with the system',
      `${REBUILD} with this node`,
    );
  }
  const allocator = /[^/\s:]*(jemalloc|tcmalloc|mimalloc)[^/\s:]*/;
  const preloaded = [...host.preload.split(/[\s:]+/), ...host.mapped]
    .map((file) => allocator.exec(basename(file))?.[0])
    .find((name) => name !== undefined);
  if (preloaded !== undefined) {
    return refuse(
      `the addon is linked to the system's OpenSSL, which cannot be isolated under the preloaded allocator ${preloaded}`,
      'start node without LD_PRELOAD, or run `MXTLS_OPENSSL_MODE=static npm rebuild mxtls`',
    );
  }
  // A worker, or a second copy of the package: libssl was mapped by us, isolated.
  const ours = host.mapped.some((file) => basename(file) === 'mxtls_dynamic.node');
  const foreign = host.mapped.find((file) => /^lib(ssl|crypto)\.so(\.|$)/.test(basename(file)));
  if (foreign !== undefined && !ours) {
    return refuse(
      `another addon has loaded ${foreign} before, bound to the OpenSSL inside node`,
      'import mxtls first, or run `MXTLS_OPENSSL_MODE=static npm rebuild mxtls`',
    );
  }
  return null;
}

/** Turns the dynamic linker's message into a sentence that says what to run. */
export function explainDlopenFailure(file: string, cause: unknown): TlsError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const explain = (message: string, suggestion: string): TlsError =>
    new TlsError({ code: 'ADDON_UNUSABLE', message, suggestion, cause });
  const version = /version `([^']+)' not found/.exec(text)?.[1];
  if (
    version?.startsWith('OPENSSL') === true ||
    /undefined symbol: (SSL|OPENSSL|EVP|X509)_/.test(text)
  ) {
    return explain(
      `the system's OpenSSL is older than the one the addon was compiled with${version === undefined ? '' : ` (${version} is missing)`}`,
      `update the system's OpenSSL or ${REBUILD}`,
    );
  }
  if (version !== undefined) {
    return explain(`the addon was compiled for a newer system (${version} is missing)`, REBUILD);
  }
  const missing = /^(\S+): cannot open shared object file/.exec(text)?.[1];
  if (missing !== undefined && missing !== file) {
    return explain(
      `the addon needs ${missing}, which is not installed`,
      `install it or ${REBUILD}`,
    );
  }
  if (/invalid ELF header|wrong ELF class|file too short|Exec format/i.test(text)) {
    return explain(`${file} is not an addon for this platform`, REBUILD);
  }
  return explain(`the addon could not be loaded: ${text}`, REBUILD);
}

/**
 * What must hold after loading; null when all is well. `samePath` compares two file names after
 * resolving links.
 */
export function refuseLibrary(
  info: LibraryInfo,
  binary: Binary,
  samePath: (a: string, b: string) => boolean,
): TlsError | null {
  if (info.runtimeNumber < 0x30500000) {
    return new TlsError({
      code: 'LIBRARY_TOO_OLD',
      message: `OpenSSL ${info.runtime} (${info.path}) is in use, and 3.5 or newer is needed`,
      suggestion: `update the system's OpenSSL or ${REBUILD}`,
    });
  }
  const isolated =
    binary.mode === 'static'
      ? samePath(info.path, binary.file)
      : /^libssl\.so(\.|$)/.test(basename(info.path));
  if (!isolated) {
    return new TlsError({
      code: 'ADDON_UNUSABLE',
      message: `the addon's OpenSSL calls went to ${info.path} and not to its own library`,
      suggestion: REBUILD,
    });
  }
  return null;
}
