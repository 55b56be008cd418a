/**
 * From Postfix parameters (main.cf, `-o name=value`) to the options of the classes.
 */
import { isDeepStrictEqual } from 'node:util';
import { serverLevel } from '../tls/levels.js';
import type { LibraryProps } from '../tls/library.js';
import { type Engine, engineParameters, type OptionParameter, setPath } from './check.js';
import { Effective } from './effective.js';
import { expand, type Lookup } from './expand.js';
import { legacyOptions } from './legacy.js';
import type { SmtpdParameters, SmtpParameters } from './options.js';
import type { Parameter } from './parameter.js';
import { findParameter, lookupWith } from './parameters.js';
import { reviewSettings } from './review.js';
import { mergeSettings, type Settings } from './settings.js';
import { readValue } from './values.js';

export { readMainCf } from './main-cf.js';
export { readAssignments, type Setting } from './settings.js';
export { mergeSettings, type Settings };

/** Options of everything that parameters can say something about; only what was set. */
export interface ParameterOptions {
  readonly smtpd: SmtpdParameters & {
    /** What was set with a reference to `stress`. */
    readonly underStress?: Omit<SmtpdParameters, 'tls'>;
  };
  readonly smtp: SmtpParameters;
  readonly library: LibraryProps;
  /** For the log. */
  readonly warnings: readonly string[];
}

/**
 * Makes options of parameters, for the classes:
 *
 * ```js
 * const settings = mergeSettings(readMainCf('/etc/mxtls'), readAssignments(['smtp_tls_loglevel=1']));
 * const { smtp, library, warnings } = optionsFromParameters(settings, 'smtp');
 * warnings.forEach((text) => logger.warn(text));
 * initLibrary(library);
 * const client = new Smtp({ ...smtp, logger });
 * ```
 *
 * Times become milliseconds, lists arrays; what was not set stays out, so that the class has its own default.
 *
 * @param engine the parameters of the other one are not looked at: a main.cf may have for it what this version refuses
 * @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`; `MAIN_CF` for a value of main.cf
 */
export function optionsFromParameters(
  settings: Settings,
  engine: Engine | null = null,
): ParameterOptions {
  const warnings = new Set(reviewSettings(settings, engine));
  const read = (wanted: Engine): Record<string, unknown> =>
    engine === null || engine === wanted ? new Reader(settings, wanted).options(warnings) : {};
  const smtpd: ParameterOptions['smtpd'] = read('smtpd');
  const underStress = engine === 'smtp' ? null : stressDifference(settings, smtpd);
  const smtp: SmtpParameters = read('smtp');
  const { configFile, configName } = smtpd.tls ?? smtp.tls ?? {};
  return {
    smtpd: underStress === null ? smtpd : { ...smtpd, underStress },
    smtp,
    library: {
      ...(configFile === undefined ? {} : { configFile }),
      ...(configName === undefined ? {} : { configName }),
    },
    warnings: [...warnings],
  };
}

/** The options of the smtpd engine that are others when `stress` is set; null: none. Defaults know by themselves. */
function stressDifference(
  settings: Settings,
  calm: SmtpdParameters,
): Omit<SmtpdParameters, 'tls'> | null {
  const stressed = mergeSettings(settings, new Map([['stress', { text: 'yes', origin: null }]]));
  const others = Object.entries(new Reader(stressed, 'smtpd').options(new Set())).filter(
    ([name, value]) =>
      name !== 'tls' && name in calm && !isDeepStrictEqual(value, calm[name as keyof typeof calm]),
  );
  return others.length === 0 ? null : Object.fromEntries(others);
}

class Reader {
  readonly #effective: Effective;
  readonly #engine: Engine;
  readonly #rows: readonly OptionParameter[];
  /** Without what is no option of the class: what the class will come to by itself. */
  readonly #classLookup: Lookup;

  constructor(settings: Settings, engine: Engine) {
    const effective = new Effective(settings);
    this.#effective = effective;
    this.#engine = engine;
    this.#rows = engineParameters(engine).filter((row) => !row.pending);
    const options = new Set(this.#rows.map((row) => row.name));
    this.#classLookup = lookupWith((name) =>
      options.has(name) && settings.has(name)
        ? effective.expanded(name).replaceAll('$', '$$$$')
        : undefined,
    );
  }

  /** @param warnings where to put them */
  options(warnings: Set<string>): Record<string, unknown> {
    const options: Record<string, unknown> = {};
    for (const row of this.#rows) {
      if (this.#effective.isSet(row.name) || this.#isDerived(row)) {
        const text = this.#effective.expanded(row.name);
        setPath(options, row.option, this.#value(row, text));
        for (const warning of valueWarnings(row, text.trim())) {
          warnings.add(warning);
        }
      }
    }
    this.#addLegacy(options, warnings);
    return options;
  }

  #addLegacy(options: Record<string, unknown>, warnings: Set<string>): void {
    const legacy = legacyOptions(
      this.#engine,
      (name) => this.#effective.expanded(name).trim(),
      (name) => this.#effective.isSet(name),
    );
    if (legacy.level !== null) {
      const { name, text } = legacy.level;
      const row = findParameter(`${this.#engine}_tls_security_level`);
      setPath(options, 'tls.securityLevel', this.#value({ ...row, name }, text));
    }
    for (const warning of legacy.warnings) {
      warnings.add(warning);
    }
  }

  /** It was not set, but its default depends on something that was and that the class knows nothing of. */
  #isDerived(row: Parameter): boolean {
    return (
      row.default.includes('$') &&
      this.#effective.expanded(row.name) !== expand(row.name, row.default, this.#classLookup)
    );
  }

  #value(row: Parameter, text: string): unknown {
    return this.#effective.located(row.name, () => readValue(row, text));
  }
}

function valueWarnings(row: Parameter, text: string): readonly string[] {
  const warning = row.type === 'server-level' ? serverLevel(text)?.warning : null;
  return warning === null || warning === undefined ? [] : [`${row.name}: ${warning}`];
}
