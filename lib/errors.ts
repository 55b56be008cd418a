/**
 * TlsError: the one error class of the package.
 *
 * Branch on `class` (who must act) or `code` (stable); the message is for people. Native code, configuration and
 * command line all throw or hand over this class; classes and codes come from `native/error_catalogue.h`.
 */
import { type ErrorClass, type ErrorCode, errorCatalogue } from './error-catalogue.js';
import type { NativeErrorInfo } from './native.js';

export type { ErrorClass, ErrorCode } from './error-catalogue.js';

export interface TlsErrorProps {
  readonly code: ErrorCode;
  /** One sentence; the catalogue's when absent. */
  readonly message?: string;
  /** What to do about it; appended to the message. */
  readonly suggestion?: string;
  /** OpenSSL's own reason, or an alert's description. */
  readonly reason?: string | null;
  /** OpenSSL's error queue, one entry per line. */
  readonly library?: string | null;
  readonly errno?: number;
  readonly peerSpoke?: boolean;
  readonly cause?: unknown;
}

const brand = Symbol.for('mxtls.TlsError');

/** An error with class, stable code and a sentence that says what to do. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
  readonly class: ErrorClass;
  readonly code: ErrorCode;
  readonly suggestion: string | null;
  readonly reason: string | null;
  readonly library: string | null;
  readonly errno: number;
  /**
   * Of a TLS handshake that failed: the peer had answered our last ClientHello, or had sent its own where we are the server. False: not a
   * word of it, and for all other errors.
   */
  readonly peerSpoke: boolean;
  readonly [brand] = true;

  constructor(props: TlsErrorProps) {
    const entry = errorCatalogue[props.code];
    const sentence = props.message ?? entry.text;
    super(props.suggestion === undefined ? sentence : `${sentence}; ${props.suggestion}`, {
      ...(props.cause === undefined ? {} : { cause: props.cause }),
    });
    this.class = entry.class;
    this.code = props.code;
    this.suggestion = props.suggestion ?? null;
    this.reason = props.reason ?? null;
    this.library = props.library ?? null;
    this.errno = props.errno ?? 0;
    this.peerSpoke = props.peerSpoke ?? false;
  }

  /** `instanceof` holds across duplicate installs of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }

  /** Makes the error that native code throws; unknown codes cannot occur, the catalogue is one. */
  static fromNative(info: NativeErrorInfo): TlsError {
    return new TlsError({
      code: info.code as ErrorCode,
      message: info.message,
      reason: info.reason,
      library: info.library,
      errno: info.errno,
      peerSpoke: info.peerSpoke,
    });
  }
}

/** OpenSSL's error queue, entry by entry. */
export function libraryEntries(error: TlsError): readonly string[] {
  return (error.library ?? '').split('\n').filter((entry) => entry !== '');
}
