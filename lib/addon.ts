/**
 * Loads the native binary; nothing else in the package does.
 *
 * The binary brings an OpenSSL of its own, isolated from the one inside node: linked in (static) or the system's,
 * loaded with RTLD_DEEPBIND (dynamic). `loading.ts` decides; here it is done, and afterwards checked that the
 * library in use is the one meant. Importing this module fails with a `TlsError` whose sentence says what to do.
 *
 * MXTLS_BINARY (for developers) names a binary to load instead.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  candidates,
  chooseBinary,
  explainDlopenFailure,
  type Host,
  type LinkMode,
  parseMaps,
  refuseLibrary,
  refuseLoad,
} from './loading.js';
import type { NativeAddon } from './native.js';

/** The binary in use. */
export interface LoadedBinary {
  readonly file: string;
  readonly mode: LinkMode;
  /** This node uses the system's libssl and has none of its own. */
  readonly nodeSharesSystem: boolean;
}

function inspectHost(): Host {
  return {
    mapped: parseMaps(readFileSync('/proc/self/maps', 'utf8')),
    preload: process.env['LD_PRELOAD'] ?? '',
    nodeSharesSystem: String(process.config.variables.node_shared_openssl) === 'true',
  };
}

function samePath(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}

function load(): { addon: NativeAddon; loadedBinary: LoadedBinary } {
  const host = inspectHost();
  // lib/ and dist/ both lie directly below the package.
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const list = candidates(root, process.arch, host);
  const binary = chooseBinary(process.env['MXTLS_BINARY'], list, existsSync);
  const refusal = refuseLoad(binary, host);
  if (refusal !== null) {
    throw refusal;
  }
  const { RTLD_NOW, RTLD_DEEPBIND } = constants.dlopen;
  const flags = binary.mode === 'dynamic' ? RTLD_NOW | RTLD_DEEPBIND : RTLD_NOW;
  const module: { exports: NativeAddon | Record<string, never> } = { exports: {} };
  try {
    process.dlopen(module, binary.file, flags);
  } catch (error) {
    throw explainDlopenFailure(binary.file, error);
  }
  const addon = module.exports as NativeAddon;
  const info = addon.libraryInfo();
  const wrong = refuseLibrary(info, binary, samePath);
  if (wrong !== null) {
    throw wrong;
  }
  if (info.warning !== null) {
    process.emitWarning(info.warning, { code: 'MXTLS_LIBRARY_VERSION' });
  }
  return { addon, loadedBinary: { ...binary, nodeSharesSystem: host.nodeSharesSystem } };
}

export const { addon, loadedBinary } = load();
