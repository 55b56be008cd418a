/** `-o name=value` of the commands that run an engine. */
import {
  optionsFromParameters,
  type ParameterOptions,
  readAssignments,
} from '../config/from-parameters.js';
import type { OptionSpec } from './args.js';

export const parameterOption = {
  option: { type: 'string', short: 'o', multiple: true },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const parameterHelp = `  -o, --option NAME=VALUE   set a Postfix parameter; may be given many times`;

/**
 * Reads `-o` settings; warnings go to standard error.
 *
 * @param defaults parameters that the command sets itself; an assignment overrides them
 * @throws TlsError `COMMAND_LINE`, `UNKNOWN_OPTION`, `INVALID_PARAMETER`
 */
export function readParameterOptions(
  assignments: readonly string[],
  defaults: readonly string[] = [],
): ParameterOptions {
  const options = optionsFromParameters(readAssignments([...defaults, ...assignments]));
  for (const warning of options.warnings) {
    process.stderr.write(`mxtls: warning: ${warning}\n`);
  }
  return options;
}
