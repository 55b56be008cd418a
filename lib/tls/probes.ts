/**
 * What this build of the library can do, found out on throw-away contexts: settings that Postfix tries and, where the
 * library has them not, leaves out with a warning.
 */
import { addon } from '../addon.js';
import { TlsError } from '../errors.js';
import type { NativeContextProps, NativeProtocols } from '../native.js';
import { bareContext } from './bare-context.js';

/** The library knows this element of a list of groups, or this list. */
export function groupSupported(groups: string): boolean {
  return failureOf({ groups }, ['BAD_GROUPS']) === null;
}

/**
 * The file of Diffie-Hellman parameters, or null for the library's own choice, which a file that cannot be used comes
 * to, too.
 *
 * @param file `smtpd_tls_dh1024_param_file`: empty or `auto` leaves it to the library
 * @param warn gets Postfix's warnings
 */
export function usableDhFile(file: string, warn: (text: string) => void): string | null {
  if (file === '' || file === 'auto') {
    return null;
  }
  const failure = failureOf({ dhFile: file }, ['DH_FILE', 'DH_PARAMETERS']);
  if (failure === null) {
    return file;
  }
  const what =
    failure.code === 'DH_FILE'
      ? failure.message
      : `error decoding DH parameters from file "${file}"`;
  warn(`${what} -- using compiled-in defaults`);
  for (const entry of (failure.library ?? '').split('\n').filter((line) => line !== '')) {
    warn(`TLS library problem: ${entry}`);
  }
  return null;
}

/** The library has this digest. */
export function digestSupported(digest: string): boolean {
  return failureOf({ digest }, ['BAD_DIGEST']) === null;
}

/** The library knows a cipher of this list. */
export function cipherListUsable(cipherList: string): boolean {
  return failureOf({ cipherList }, ['BAD_CIPHERS']) === null;
}

/** The cipher can make session tickets. */
export function ticketCipherUsable(ticketCipher: string): boolean {
  return failureOf({ tickets: true, ticketCipher }, ['TICKET_CIPHER']) === null;
}

/** Versions that were tried. */
const settable = new Map<number, boolean>();

/**
 * A client's protocols without the bounds that the library does not take: Postfix warns and goes on, since a session
 * with fewer rules is more than none. A server has its bounds in the context, and does not start.
 */
export function settableProtocols(
  protocols: NativeProtocols,
  warn: (text: string) => void,
): NativeProtocols {
  const bound = (which: 'minimum' | 'maximum', version: number): number => {
    if (version <= 0 || isSettable(version)) {
      return version;
    }
    warn(`error setting ${which} TLS version to: 0x${version.toString(16).padStart(4, '0')}`);
    return 0;
  };
  return {
    floor: bound('minimum', protocols.floor),
    ceiling: bound('maximum', protocols.ceiling),
    exclude: protocols.exclude,
  };
}

function isSettable(version: number): boolean {
  const known = settable.get(version);
  if (known !== undefined) {
    return known;
  }
  const protocols = { floor: version, ceiling: 0, exclude: 0 };
  const works = failureOf({ protocols }, ['BAD_PROTOCOLS']) === null;
  settable.set(version, works);
  return works;
}

/** The option `keyLogFile` of the engines. @throws TlsError `INVALID_ARGUMENT` */
export function checkKeyLogOption(file: unknown): string | undefined {
  if (file !== undefined && (typeof file !== 'string' || file === '')) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: 'keyLogFile is no name of a file',
      suggestion: 'leave it out where no session is to be decrypted',
    });
  }
  return file;
}

/** Opens the key log file once, so that one that cannot be used is seen early. @throws TlsError `KEYLOG_FILE` */
export function checkKeyLogFile(keyLogFile: string): void {
  addon.createContext({ ...bareContext, keyLogFile });
}

/** What a context with these properties fails with, if it is one of `codes`. @throws TlsError with any other code */
function failureOf(
  props: Partial<NativeContextProps>,
  codes: readonly TlsError['code'][],
): TlsError | null {
  try {
    addon.createContext({ ...bareContext, ...props });
    return null;
  } catch (error) {
    if (error instanceof TlsError && codes.includes(error.code)) {
      return error;
    }
    throw error;
  }
}
