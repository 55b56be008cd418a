/**
 * Options of the classes: misspelt or wrong ones are refused, missing ones get their defaults.
 *
 * `resolveSmtpd` and `resolveSmtp` are what the constructors call: one pass over the table does both.
 */
import { TlsError } from '../errors.js';
import { expand } from './expand.js';
import type { ResolvedSmtp, ResolvedSmtpd, SmtpdParameters, SmtpParameters } from './options.js';
import type { Parameter, ParameterValue } from './parameter.js';
import { defaultText, lookupWith, parameters } from './parameters.js';
import { nearest } from './suggest.js';
import { checkValue, readValue } from './values.js';

export type Engine = 'smtpd' | 'smtp';

/** A row that is an option of a class. */
export type OptionParameter = Parameter & { readonly option: string };

/** The library configuration is the process's: not asking for one is not asking for `none`. */
const processWide: ReadonlySet<string> = new Set(['tls.configFile', 'tls.configName']);

/** The rows of one engine that are options, those that nothing acts upon yet among them. */
export function engineParameters(engine: Engine): readonly OptionParameter[] {
  return parameters.filter(
    (row): row is OptionParameter => row.option !== null && concerns(row, engine),
  );
}

/** The parameter is one of this engine. */
export function concerns({ group }: Parameter, engine: Engine): boolean {
  return group === engine || group === 'both' || group === 'tls';
}

/**
 * Refuses fields that no parameter has or that nothing acts upon, and values of the wrong kind.
 *
 * @param extra fields that the class adds (callbacks, logger)
 * @throws TlsError `UNKNOWN_OPTION` with the nearest known name, `INVALID_PARAMETER`
 */
export function checkOptions(options: object, engine: Engine, extra: readonly string[] = []): void {
  const rows = new Map(engineParameters(engine).map((row) => [row.option, row]));
  for (const [path, value] of fields(options)) {
    if (extra.includes(path) || value === undefined) {
      continue;
    }
    const row = rows.get(path);
    if (row === undefined) {
      throw unknownOption(path, [...rows.keys(), ...extra]);
    }
    checkValue(row, path, value);
  }
}

/** Checks the options of the smtpd engine and fills in the defaults. @throws as {@link checkOptions} */
export function resolveSmtpd(
  options: SmtpdParameters,
  extra: readonly string[] = [],
): ResolvedSmtpd {
  checkOptions(options, 'smtpd', extra);
  return resolve(options, 'smtpd') as unknown as ResolvedSmtpd;
}

/** The options while `stress` is not empty: defaults that refer to it are stricter. @throws as {@link checkOptions} */
export function resolveStressedSmtpd(
  options: SmtpdParameters,
  extra: readonly string[] = [],
): ResolvedSmtpd {
  checkOptions(options, 'smtpd', extra);
  return resolve(options, 'smtpd', 'yes') as unknown as ResolvedSmtpd;
}

/** Checks the options of the smtp engine and fills in the defaults. @throws as {@link checkOptions} */
export function resolveSmtp(options: SmtpParameters, extra: readonly string[] = []): ResolvedSmtp {
  checkOptions(options, 'smtp', extra);
  return resolve(options, 'smtp') as unknown as ResolvedSmtp;
}

/** Top-level fields, and those of `tls` as `tls.NAME`. */
function fields(options: object): readonly (readonly [path: string, value: unknown])[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (name !== 'tls' || value === undefined) {
      return [[name, value] as const];
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new TlsError({
        code: 'INVALID_PARAMETER',
        message: 'tls is not an object',
        suggestion: 'write tls: { securityLevel: ..., chainFiles: [...] }',
      });
    }
    return Object.entries(value).map(([field, item]) => [`tls.${field}`, item] as const);
  });
}

type Given = ReadonlyMap<string, unknown>;

function resolve(options: object, engine: Engine, stress = ''): Record<string, unknown> {
  const rows = engineParameters(engine);
  const given: Given = new Map(fields(options).filter(([, value]) => value !== undefined));
  const byName = new Map(rows.map((row) => [row.name, row]));
  const texts = new Map(rows.map((row) => [row.name, givenText(row, given)]));
  texts.set('stress', stress);
  const lookup = lookupWith((name) => texts.get(name));
  const result: Record<string, unknown> = {};
  for (const row of rows) {
    const source = given.has(row.option) ? row : inheritedFrom(row, byName, given);
    if (source !== null) {
      setPath(result, row.option, checkValue(source, source.option, given.get(source.option)));
    } else if (!processWide.has(row.option)) {
      const text = expand(row.name, ownDefault(row, given), lookup);
      setPath(result, row.option, readValue({ ...row, name: row.option }, text));
    }
  }
  return result;
}

/** The given option that a default of just `$name` stands for: not every value has a text. */
function inheritedFrom(
  row: OptionParameter,
  byName: ReadonlyMap<string, OptionParameter>,
  given: Given,
): OptionParameter | null {
  const name = /^\$(\w+)$/.exec(row.default)?.[1] ?? '';
  const source = byName.get(name);
  return source?.type === row.type && given.has(source.option) ? source : null;
}

/**
 * The default where it depends on what was given: a private OpenSSL configuration file speaks for itself. Postfix's
 * `>=TLSv1` would override its MinProtocol and MaxProtocol, set or not.
 */
function ownDefault(row: Parameter, given: Given): string {
  const configFile = given.get('tls.configFile');
  const isPrivate = typeof configFile === 'string' && configFile.startsWith('/');
  return row.type === 'protocols' && isPrivate ? '' : defaultText(row);
}

/** What was given, as the text that `$name` in a default stands for. */
function givenText(row: OptionParameter, given: Given): string | undefined {
  const value = given.get(row.option) as ParameterValue | undefined;
  if (typeof value === 'boolean') {
    return value ? 'yes' : 'no';
  }
  if (typeof value === 'number' && row.type === 'time') {
    return `${Math.ceil(value / 1000)}s`;
  }
  const text = Array.isArray(value) ? value.join(', ') : value?.toString();
  return text?.replaceAll('$', '$$$$');
}

/** Sets `a.b` in nested objects. */
export function setPath(target: Record<string, unknown>, path: string, value: unknown): void {
  const dot = path.indexOf('.');
  if (dot < 0) {
    target[path] = value;
    return;
  }
  const key = path.slice(0, dot);
  const inner = (target[key] ?? {}) as Record<string, unknown>;
  target[key] = inner;
  setPath(inner, path.slice(dot + 1), value);
}

function unknownOption(path: string, known: readonly string[]): TlsError {
  const byParameter = parameters.find((row) => row.name === path)?.option;
  const misplaced = known.find((name) => name === `tls.${path}` || `tls.${name}` === path);
  const near = byParameter ?? misplaced ?? nearest(path, known);
  return new TlsError({
    code: 'UNKNOWN_OPTION',
    message: `unknown option "${path}"`,
    ...(near === null ? {} : { suggestion: `did you mean "${near}"?` }),
  });
}
