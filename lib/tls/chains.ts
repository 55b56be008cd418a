/**
 * An engine's own private keys with their certificate chains: which files, and loading them.
 *
 * `chainFiles` is one stream of keys and certificates over any number of files; the six legacy parameters are pairs of
 * files, and count only where there are no chain files. Native code opens the files: no private key becomes a
 * JavaScript string.
 */
import { addon } from '../addon.js';
import { libraryEntries, TlsError } from '../errors.js';
import type { ChainPair, NativeChains, OwnCertificate } from '../native.js';

export type { OwnCertificate } from '../native.js';

/** The options that name files, with every default filled in. */
export interface ChainOptions {
  readonly chainFiles: readonly string[];
  readonly certFile: string;
  readonly keyFile: string;
  readonly dcertFile: string;
  readonly dkeyFile: string;
  readonly eccertFile: string;
  readonly eckeyFile: string;
}

/** How an engine looks after its own certificates. */
export interface CertificateOptions {
  /**
   * Days before the end of a certificate from which on a warning tells of it, once a day; default 14, 0: never.
   */
  readonly expiryWarningDays?: number;
  /**
   * Milliseconds between two looks at the files of keys and certificates: changed ones are loaded anew once they have
   * been still from one look to the next; default 30,000, 0: never.
   */
  readonly chainFilesCheckInterval?: number;
}

/** The names of {@link CertificateOptions}. */
export const certificateOptionNames = ['expiryWarningDays', 'chainFilesCheckInterval'] as const;

/** Fills in the defaults. @throws TlsError `INVALID_ARGUMENT` */
export function certificateOptions(options: CertificateOptions): Required<CertificateOptions> {
  for (const name of certificateOptionNames) {
    const value: unknown = options[name];
    const fine = typeof value === 'number' && value >= 0 && value <= longest;
    if (value !== undefined && !fine) {
      throw new TlsError({
        code: 'INVALID_ARGUMENT',
        message: `${name} is not a number from 0 to ${longest}`,
        suggestion: '0 switches it off',
      });
    }
  }
  return { expiryWarningDays: 14, chainFilesCheckInterval: 30_000, ...options };
}

/** Of a timer, in milliseconds. */
const longest = 2_147_483_647;

/** Where chains come from. */
export type ChainSource =
  | { readonly kind: 'files'; readonly files: readonly string[] }
  | { readonly kind: 'pairs'; readonly pairs: readonly ChainPair[] };

/** What becomes of an engine whose chains cannot be loaded; the end of the last line about it. */
export type Consequence = 'disabling TLS support' | 'keeping the former certificates';

/** The source that the options name; null: none. `certFile` `none` is a server's word for none. */
export function chainSource(options: ChainOptions): ChainSource | null {
  if (options.chainFiles.length > 0) {
    return { kind: 'files', files: options.chainFiles };
  }
  const pairs = legacyPairs(options);
  return pairs.length === 0 ? null : { kind: 'pairs', pairs };
}

/** The legacy pairs, in Postfix's order. */
function legacyPairs(options: ChainOptions): readonly ChainPair[] {
  const all: readonly ChainPair[] = [
    { label: 'RSA', certFile: options.certFile, keyFile: options.keyFile },
    { label: 'DSA', certFile: options.dcertFile, keyFile: options.dkeyFile },
    { label: 'ECDSA', certFile: options.eccertFile, keyFile: options.eckeyFile },
  ];
  return all
    .filter(({ label, certFile }) => certFile !== '' && !(label === 'RSA' && isNone(certFile)))
    .map((pair) => (pair.keyFile === '' ? { ...pair, keyFile: pair.certFile } : pair));
}

/** `smtpd_tls_cert_file = none`: TLS without a certificate is wanted. */
export function isNone(certFile: string): boolean {
  return certFile.toLowerCase() === 'none';
}

/** Legacy parameters that are set although there are chain files, which count. */
export function legacyWarning(options: ChainOptions, engine: 'smtpd' | 'smtp'): string | null {
  if (options.chainFiles.length === 0 || legacyPairs(options).length === 0) {
    return null;
  }
  const prefix = `${engine}_tls_`;
  // The blanks are Postfix's.
  return `Both ${prefix}chain_files and one or more of the legacy  ${prefix}cert_file, ${prefix}eccert_file or ${prefix}dcert_file are non-empty; the legacy  parameters will be ignored`;
}

/** The files of a source, each once. */
export function sourceFiles(source: ChainSource): readonly string[] {
  return source.kind === 'files'
    ? [...new Set(source.files)]
    : [...new Set(source.pairs.flatMap(({ certFile, keyFile }) => [certFile, keyFile]))];
}

/**
 * Loads all chains of a source, or none.
 *
 * @param warn gets what there is to say, as Postfix logs it, also about a load that fails
 * @throws TlsError `CHAIN_*`
 */
export function loadChains(
  source: ChainSource,
  warn: ((text: string) => void) | undefined,
  consequence: Consequence = 'disabling TLS support',
): NativeChains {
  const notes: string[] = [];
  let lines: readonly string[] = notes;
  try {
    return source.kind === 'files'
      ? addon.loadChains(source.files, notes)
      : addon.loadChainPairs(source.pairs, notes);
  } catch (error) {
    lines = error instanceof TlsError ? failureLines(notes, error, consequence) : notes;
    throw error;
  } finally {
    for (const line of lines) {
      warn?.(line);
    }
  }
}

/** Loads the chains that the options name; null: they name none. @throws TlsError `CHAIN_*` */
export function ownChains(
  options: ChainOptions,
  engine: 'smtpd' | 'smtp',
  warn: ((text: string) => void) | undefined,
): NativeChains | null {
  const warning = legacyWarning(options, engine);
  if (warning !== null) {
    warn?.(warning);
  }
  const source = chainSource(options);
  return source === null ? null : loadChains(source, warn);
}

/** Postfix's lines about a load that failed: OpenSSL's stand before the last one, or behind it. */
function failureLines(
  notes: readonly string[],
  error: TlsError,
  consequence: Consequence,
): readonly string[] {
  const library = libraryEntries(error).map((entry) => `TLS library problem: ${entry}`);
  const last = notes.at(-1);
  if (last === undefined) {
    return [error.message, ...library];
  }
  const end = `${last}: ${consequence}`;
  const before = notes.slice(0, -1);
  return last.startsWith('error loading private keys and certificates from: ')
    ? [...before, ...library, end]
    : [...before, end, ...library];
}

/** Certificates that are valid until then at most, the earliest first. */
export function expiringBy(
  certificates: readonly OwnCertificate[],
  time: number,
): readonly OwnCertificate[] {
  return certificates
    .filter(({ notAfter }) => notAfter <= time)
    .toSorted((a, b) => a.notAfter - b.notAfter);
}
