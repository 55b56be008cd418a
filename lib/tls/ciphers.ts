/**
 * Cipher grades and exclusions for TLS 1.2 and older; TLS 1.3 suites are never set.
 *
 * A grade names a base list in the library's cipher language, each excluded word is appended as `:!word`. Which
 * exclusions are in force depends on the role and the level: the two functions at the end hold Postfix's table.
 */
import { TlsError } from '../errors.js';
import { mustEncrypt, mustMatch, type TlsLevel } from './levels.js';

export type CipherGrade = 'high' | 'medium' | 'null';

/** The base list of each grade (`tls_high_cipherlist` ...). */
export type CipherBaseLists = Readonly<Record<CipherGrade, string>>;

const grades: Readonly<Record<string, CipherGrade>> = {
  high: 'high',
  medium: 'medium',
  low: 'medium', // `low` and `export` have lost their meaning with the suites they were for
  export: 'medium',
  null: 'null',
};

/** @throws TlsError `INVALID_PARAMETER` */
export function parseGrade(name: string, parameter = 'ciphers'): CipherGrade {
  const folded = name.trim().toLowerCase();
  const grade = Object.hasOwn(grades, folded) ? grades[folded] : undefined;
  if (grade === undefined) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `${parameter}: invalid cipher grade: "${name}"`,
      suggestion: 'use high, medium or null',
    });
  }
  return grade;
}

export interface CipherListProps {
  readonly grade: string;
  /** Words of the library's cipher language, without operators. */
  readonly exclude: readonly string[];
  readonly base: CipherBaseLists;
}

/**
 * The cipher list for the library.
 *
 * @throws TlsError `INVALID_PARAMETER` for an unknown grade or an exclusion that begins with an operator
 */
export function cipherList(props: CipherListProps): string {
  const base = props.base[parseGrade(props.grade)];
  return [base, ...splitExclusions(props.exclude).map((word) => `!${word}`)].join(':');
}

/** Splits exclusions at commas, blanks and colons. @throws TlsError `INVALID_PARAMETER` */
export function splitExclusions(
  exclude: readonly string[],
  parameter = 'exclude_ciphers',
): readonly string[] {
  const words = exclude.flatMap((text) => text.split(/[\s,:]+/)).filter((word) => word !== '');
  const wrong = words.find((word) => /^[!+\-@]/.test(word));
  if (wrong !== undefined) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `${parameter}: invalid unary '!+-@' in cipher exclusion: ${wrong}`,
      suggestion: 'give the cipher names alone, without "!", "+", "-" or "@"',
    });
  }
  return words;
}

/** The four settings of a role. */
export interface CipherSettings {
  readonly ciphers: string;
  readonly mandatoryCiphers: string;
  readonly excludeCiphers: readonly string[];
  readonly mandatoryExcludeCiphers: readonly string[];
}

/** Grade and exclusions of a server; fixed for all its sessions. */
export function serverCipherList(
  settings: CipherSettings,
  mode: { readonly enforce: boolean; readonly askCert: boolean },
  base: CipherBaseLists,
): string {
  return cipherList({
    grade: mode.enforce ? settings.mandatoryCiphers : settings.ciphers,
    exclude: [
      ...settings.excludeCiphers,
      ...(mode.enforce ? settings.mandatoryExcludeCiphers : []),
      ...(mode.askCert ? ['aNULL'] : []), // anonymous suites leave no room for a client certificate
    ],
    base,
  });
}

/** A destination's own grade and exclusions; `exclude` takes the place of all configured ones. */
export interface CipherPolicy {
  readonly ciphers?: string;
  readonly exclude?: readonly string[];
}

/** Grade and exclusions of a client session at its effective level. */
export function clientCipherList(
  settings: CipherSettings,
  level: TlsLevel,
  base: CipherBaseLists,
  policy: CipherPolicy = {},
): string {
  const mandatory = mustEncrypt(level);
  const configured = [
    ...settings.excludeCiphers,
    ...(mandatory ? settings.mandatoryExcludeCiphers : []),
  ];
  return cipherList({
    grade: policy.ciphers ?? (mandatory ? settings.mandatoryCiphers : settings.ciphers),
    exclude: [...(policy.exclude ?? configured), ...forcedExclusions(level)],
    base,
  });
}

function forcedExclusions(level: TlsLevel): readonly string[] {
  if (mustMatch(level)) {
    return ['aNULL'];
  }
  return mustEncrypt(level) ? ['eNULL'] : [];
}
