/**
 * What there is to say about the parameters that were set: unknown, without effect, out of use.
 *
 * What a main.cf of Postfix has for Postfix only is one line, however much it is. An unknown name on the command line
 * is an error, in main.cf a warning. A name that another value refers to is the operator's own.
 */
import { concerns, type Engine } from './check.js';
import type { Parameter } from './parameter.js';
import { findParameter, knownParameter, parameters } from './parameters.js';
import { foreignFamily, isPostfixName, postfixNames, retiredParameters } from './postfix-names.js';
import { referredNames } from './reference.js';
import type { Setting, Settings } from './settings.js';
import { nearest } from './suggest.js';

/** What a name is that is in no table. */
type Kind = 'own' | 'retired' | 'foreign' | 'postfix' | 'unknown';

/**
 * Warnings, for the log.
 *
 * @param engine only what concerns it, of main.cf; null: everything
 * @throws TlsError `UNKNOWN_OPTION`: a name on the command line, with the nearest known one
 */
export function reviewSettings(settings: Settings, engine: Engine | null): readonly string[] {
  const own = new Set([...settings.values()].flatMap(({ text }) => referredNames(text)));
  const passedOver: string[] = [];
  const foreign = new Map<string, string[]>();
  const warnings: string[] = [];
  for (const [name, setting] of settings) {
    if (setting.again) {
      warnings.push(`${setting.origin}: ${name} is set again, and this value counts`);
    }
    const row = knownParameter(name);
    if (row !== null) {
      warnings.push(...rowWarnings(row, setting, engine));
      continue;
    }
    switch (kindOf(name, own)) {
      case 'own':
        break;
      case 'retired':
        warnings.push(
          `parameter ${name} is no longer one of Postfix; ${retiredParameters.get(name)}`,
        );
        break;
      case 'foreign': {
        const family = foreignFamily(name) ?? '';
        foreign.set(family, [...(foreign.get(family) ?? []), name]);
        break;
      }
      case 'postfix':
        passedOver.push(name);
        break;
      default:
        warnings.push(unknownName(name, setting));
    }
  }
  return [...warnings, ...foreignWarnings(foreign), ...passedOverWarning(passedOver)];
}

function kindOf(name: string, own: ReadonlySet<string>): Kind {
  if (own.has(name) || referredByTable().has(name)) {
    return 'own';
  }
  if (retiredParameters.has(name)) {
    return 'retired';
  }
  if (foreignFamily(name) !== null) {
    return 'foreign';
  }
  return isPostfixName(name) ? 'postfix' : 'unknown';
}

/** What to say about a row that was set, whatever its value; null: nothing. */
function rowNote(row: Parameter): string | null {
  const { name, ignored, pending, deprecated, legacy } = row;
  const instead = deprecated ? `; use ${legacy}` : '';
  if (ignored !== undefined) {
    return `parameter ${name} is ignored: ${ignored}${instead}`;
  }
  if (pending) {
    return `parameter ${name} is known but has no effect in this version${instead}`;
  }
  return deprecated ? `parameter ${name} is out of use${instead}` : null;
}

function rowWarnings(row: Parameter, setting: Setting, engine: Engine | null): readonly string[] {
  const relevant =
    engine === null || setting.origin === null || row.group === 'general' || concerns(row, engine);
  const note = relevant ? rowNote(row) : null;
  return note === null ? [] : [note];
}

function foreignWarnings(foreign: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return [...foreign].map(
    ([family, names]) => `mxtls has no ${family}; passed over: ${names.join(', ')}`,
  );
}

/** One line for all, with the first names. */
function passedOverWarning(names: readonly string[]): readonly string[] {
  if (names.length === 0) {
    return [];
  }
  const shown = names.slice(0, 3).join(', ');
  return [
    names.length === 1
      ? `mxtls does not have this parameter of Postfix: ${shown}`
      : `mxtls does not have ${names.length} of these parameters of Postfix: ${shown}${names.length > 3 ? ', ...' : ''}`,
  ];
}

function unknownName(name: string, { origin }: Setting): string {
  if (origin === null) {
    findParameter(name);
  }
  const near = nearest(name, [...parameters.map((row) => row.name), ...postfixNames()]);
  const hint = near === null ? '' : `; did you mean "${near}"?`;
  return `${origin}: unknown parameter "${name}"${hint}`;
}

let tableReferences: ReadonlySet<string> | null = null;

/** Names that defaults refer to without a row of their own: older names of parameters. */
function referredByTable(): ReadonlySet<string> {
  tableReferences ??= new Set(parameters.flatMap((row) => referredNames(row.default)));
  return tableReferences;
}
