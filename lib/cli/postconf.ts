/** `mxtls postconf`: shows parameters, as postconf of Postfix does. */
import { Effective } from '../config/effective.js';
import { knownParameter, parameters } from '../config/parameters.js';
import {
  foreignFamily,
  isPostfixName,
  postfixNames,
  retiredParameters,
} from '../config/postfix-names.js';
import { reviewSettings } from '../config/review.js';
import type { Settings } from '../config/settings.js';
import { nearest } from '../config/suggest.js';
import { type ParsedArgs, parseCommandLine } from './args.js';
import { type Command, exitCode, usageError } from './command.js';
import { parameterHelp, parameterOption, readSettings } from './parameter-options.js';

const help = `Usage: mxtls postconf [-d | -n] [-x] [-H | --json] [-c DIR] [-o NAME=VALUE ...] [NAME ...]

Prints the parameters that mxtls knows as "name = value", sorted, or those that are named:
what they are set to, else their defaults. Values are shown as they are written, with $name
for the value of another parameter.

Options:
  -d, --defaults            the defaults, whatever is set
  -n, --set                 only what is set in main.cf or by -o
  -x, --expand              with what $name stands for
  -H, --names               names only
  --json                    an object of names and values
${parameterHelp}
  -h, --help                this text

Exit codes:
  0, or 1 when a NAME is not known; 64 wrong command line, 78 wrong main.cf

Examples:
  mxtls postconf -d
  mxtls postconf -n -c /etc/mxtls
  mxtls postconf -x -c /etc/mxtls smtpd_banner smtpd_tls_chain_files
  mxtls postconf --json -o compatibility_level=3.5 smtp_tls_security_level
`;

const specs = {
  defaults: { type: 'boolean', short: 'd' },
  set: { type: 'boolean', short: 'n' },
  expand: { type: 'boolean', short: 'x' },
  names: { type: 'boolean', short: 'H' },
  json: { type: 'boolean' },
  ...parameterOption,
} as const;

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, specs, Number.POSITIVE_INFINITY);
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const settings = settingsFor(options);
  const warnings = reviewSettings(settings, null);
  const unknown = options.positionals.filter((name) => knownParameter(name) === null);
  print(selectNames(options, settings), new Effective(settings), options);
  for (const warning of [...warnings, ...unknown.map(unknownName)]) {
    process.stderr.write(`mxtls: warning: ${warning}\n`);
  }
  return unknown.length === 0 ? exitCode.ok : exitCode.failed;
}

/** Nothing is set where only defaults are asked for. */
function settingsFor(options: ParsedArgs): Settings {
  if (!options.flag('defaults')) {
    return readSettings(options);
  }
  const other = options.flag('set') ? '-n' : '-o';
  if (options.flag('set') || options.strings('option').length > 0) {
    throw usageError(`options "-d" and "${other}" exclude each other`, 'leave one out');
  }
  return new Map();
}

/** In the order of the command line, or sorted. */
function selectNames(options: ParsedArgs, settings: Settings): readonly string[] {
  const wanted =
    options.positionals.length > 0 ? options.positionals : parameters.map((row) => row.name);
  return wanted.filter(
    (name) => knownParameter(name) !== null && (!options.flag('set') || settings.has(name)),
  );
}

function print(names: readonly string[], effective: Effective, options: ParsedArgs): void {
  const value = (name: string): string =>
    options.flag('expand') ? effective.expanded(name) : effective.unexpanded(name);
  if (options.flag('json')) {
    const result = options.flag('names')
      ? names
      : Object.fromEntries(names.map((name) => [name, value(name)]));
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  const lines = names.map((name) =>
    options.flag('names') ? name : `${name} = ${value(name)}`.trimEnd(),
  );
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

function unknownName(name: string): string {
  const retired = retiredParameters.get(name);
  if (retired !== undefined) {
    return `parameter ${name} is no longer one of Postfix; ${retired}`;
  }
  const family = foreignFamily(name);
  if (family !== null) {
    return `mxtls has no ${family}: ${name}`;
  }
  if (isPostfixName(name)) {
    return `mxtls does not have this parameter of Postfix: ${name}`;
  }
  const near = nearest(name, [...parameters.map((row) => row.name), ...postfixNames()]);
  return `unknown parameter "${name}"${near === null ? '' : `; did you mean "${near}"?`}`;
}

export const postconfCommand: Command = {
  name: 'postconf',
  summary: 'show parameters',
  help,
  run,
};
