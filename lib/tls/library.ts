/**
 * The TLS library of the process: initialised once, explicitly, with a private configuration.
 *
 * The system's openssl.cnf is not read unless asked for (`configFile: 'default'`). The first request decides for the
 * whole process, worker threads included; the same request again is fine, another one an error.
 */
import { addon, loadedBinary } from '../addon.js';
import '../dispatch.js'; // hands over the callbacks; before that a native method cannot throw a TlsError
import { TlsError } from '../errors.js';

export interface LibraryProps {
  /** `tls_config_file`: `none` (default), `default` or an absolute path. */
  readonly configFile?: string;
  /** `tls_config_name`: OpenSSL application name; default: none. */
  readonly configName?: string;
}

/**
 * Initialises OpenSSL for the process.
 *
 * @throws TlsError `LIBRARY_INIT_CONFLICT`: done already with other settings; `CONFIG_FILE`: the file cannot be used
 *   (the sentence names file and line); `LIBRARY_INIT_FAILED`
 */
export function initLibrary(props: LibraryProps = {}): void {
  addon.libraryInit(props.configFile ?? 'none', props.configName ?? '');
}

/** Initialises with `props` where they say something, else leaves a library that is initialised as it is. */
export function ensureLibrary(props: LibraryProps = {}): void {
  if (props.configFile !== undefined || props.configName !== undefined) {
    initLibrary(props);
    return;
  }
  try {
    initLibrary();
  } catch (error) {
    if (!(error instanceof TlsError) || error.code !== 'LIBRARY_INIT_CONFLICT') {
      throw error;
    }
  }
}

/** Which OpenSSL is in use. */
export interface LibraryVersion {
  /** Version that the binary was compiled against. */
  readonly headers: string;
  /** Version that runs. */
  readonly runtime: string;
  /** File that the library's functions come from. */
  readonly path: string;
  readonly mode: 'static' | 'dynamic';
  /** This node has no OpenSSL of its own but uses the system's. */
  readonly nodeSharesSystem: boolean;
}

/** Tells which OpenSSL is in use; initialises nothing. */
export function libraryVersion(): LibraryVersion {
  const { headers, runtime, path, mode } = addon.libraryInfo();
  return { headers, runtime, path, mode, nodeSharesSystem: loadedBinary.nodeSharesSystem };
}
