/**
 * From Postfix parameters (`-o name=value`) to the options of the classes.
 */
import { TlsError } from '../errors.js';
import type { LibraryProps } from '../tls/library.js';
import { serverLevel } from '../tls/levels.js';
import { setPath } from './check.js';
import { expand } from './expand.js';
import type { SmtpdParameters, SmtpParameters } from './options.js';
import { defaultText, findParameter, type Parameter, parameters } from './parameters.js';
import { readValue } from './values.js';

/** Options of everything that parameters can say something about; only what was set. */
export interface ParameterOptions {
  readonly smtpd: SmtpdParameters;
  readonly smtp: SmtpParameters;
  readonly library: LibraryProps;
  /** For the log. */
  readonly warnings: readonly string[];
}

/**
 * Reads parameters.
 *
 * @param texts names with unexpanded values
 * @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`
 */
export function optionsFromParameters(texts: ReadonlyMap<string, string>): ParameterOptions {
  const smtpd: Record<string, unknown> = {};
  const smtp: Record<string, unknown> = {};
  const warnings: string[] = [];
  for (const [name, text] of texts) {
    const row = findParameter(name);
    const expanded = expand(name, text, (other) => textOf(other, texts));
    const value = readValue(row, expanded);
    warnings.push(...valueWarnings(row, expanded.trim()));
    if (row.group !== 'smtp') {
      setPath(smtpd, row.option, value);
    }
    if (row.group !== 'smtpd') {
      setPath(smtp, row.option, value);
    }
  }
  const { configFile, configName } = (smtp['tls'] ?? {}) as LibraryProps;
  return {
    smtpd: smtpd as SmtpdParameters,
    smtp: smtp as SmtpParameters,
    library: {
      ...(configFile === undefined ? {} : { configFile }),
      ...(configName === undefined ? {} : { configName }),
    },
    warnings,
  };
}

/**
 * Splits `name=value`, blanks around both allowed, `{ name = value }` too; a later one wins.
 *
 * @throws TlsError `COMMAND_LINE`
 */
export function readAssignments(assignments: readonly string[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const assignment of assignments) {
    const inner = /^\s*\{(.*)\}\s*$/s.exec(assignment)?.[1] ?? assignment;
    const match = /^\s*([^\s=]+)\s*=(.*)$/s.exec(inner);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new TlsError({
        code: 'COMMAND_LINE',
        message: `"${assignment}" is no parameter setting`,
        suggestion: 'write -o name=value, for example -o smtp_tls_loglevel=1',
      });
    }
    texts.set(match[1], match[2].trim());
  }
  return texts;
}

function textOf(name: string, texts: ReadonlyMap<string, string>): string | null {
  const row = parameters.find((known) => known.name === name);
  return row === undefined ? null : (texts.get(name) ?? defaultText(row));
}

function valueWarnings(row: Parameter, text: string): readonly string[] {
  const level = row.type === 'server-level' ? serverLevel(text)?.warning : null;
  return [
    ...(level === null || level === undefined ? [] : [`${row.name}: ${level}`]),
    ...(row.pending ? [`${row.name} has no effect in this version`] : []),
  ];
}
