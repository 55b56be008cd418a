/** `-c DIR` and `-o name=value` of the commands that read Postfix parameters. */
import type { Engine } from '../config/check.js';
import {
  mergeSettings,
  optionsFromParameters,
  type ParameterOptions,
  readAssignments,
  readMainCf,
  type Settings,
} from '../config/from-parameters.js';
import type { OptionSpec, ParsedArgs } from './args.js';

export const parameterOption = {
  config: { type: 'string', short: 'c' },
  option: { type: 'string', short: 'o', multiple: true },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const parameterHelp = `  -c, --config DIR          read Postfix parameters from DIR/main.cf
  -o, --option NAME=VALUE   set a Postfix parameter, whatever main.cf says; may be given
                            many times`;

/**
 * What was set: by main.cf, then by `-o`.
 *
 * @throws TlsError `COMMAND_LINE`, `MAIN_CF`
 */
export function readSettings(args: ParsedArgs): Settings {
  const directory = args.string('config');
  return mergeSettings(
    directory === null ? new Map() : readMainCf(directory),
    readAssignments(args.strings('option')),
  );
}

/**
 * The options that `-c` and `-o` come to; warnings go to standard error.
 *
 * @param engine whose they are to be; null: of both
 * @param defaults parameters that the command sets itself; main.cf and `-o` override them
 * @throws TlsError `COMMAND_LINE`, `UNKNOWN_OPTION`, `INVALID_PARAMETER`, `MAIN_CF`
 */
export function readParameterOptions(
  args: ParsedArgs,
  engine: Engine | null,
  defaults: readonly string[] = [],
): ParameterOptions {
  return optionsOf(mergeSettings(readAssignments(defaults), readSettings(args)), engine);
}

/** The options that settings come to; warnings go to standard error. @throws as {@link readParameterOptions} */
export function optionsOf(settings: Settings, engine: Engine | null): ParameterOptions {
  const options = optionsFromParameters(settings, engine);
  for (const warning of options.warnings) {
    process.stderr.write(`mxtls: warning: ${warning}\n`);
  }
  return options;
}
