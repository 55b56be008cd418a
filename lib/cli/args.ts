/**
 * Command line options: `node:util` takes them apart, wrong ones are refused with a sentence that helps.
 */
import { parseArgs } from 'node:util';
import { nearest } from '../config/suggest.js';
import { usageError } from './command.js';

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** May be given more than once. */
  readonly multiple?: boolean;
}

export interface ParsedArgs {
  /** Values of a string option, in order; empty when it is absent. */
  strings(name: string): readonly string[];
  /** The value of a string option that is given once at most. */
  string(name: string): string | null;
  flag(name: string): boolean;
  readonly positionals: readonly string[];
}

const help: OptionSpec = { type: 'boolean', short: 'h' };

/**
 * Every command has `--help`, `-h`.
 *
 * @param maxPositionals more are refused
 * @throws TlsError `COMMAND_LINE`
 */
export function parseCommandLine(
  args: readonly string[],
  specs: Readonly<Record<string, OptionSpec>>,
  maxPositionals = 0,
): ParsedArgs {
  const options: Readonly<Record<string, OptionSpec>> = { ...specs, help };
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type, short }]) => [
        name,
        { type, multiple: true, ...(short === undefined ? {} : { short }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'option') {
      const value = checkOption(token, options, given);
      given.set(token.name, [...(given.get(token.name) ?? []), value]);
    }
  }
  if (positionals.length > maxPositionals && !given.has('help')) {
    throw usageError(`unexpected argument "${positionals[maxPositionals]}"`);
  }
  return {
    strings: (name) => given.get(name) ?? [],
    string: (name) => given.get(name)?.[0] ?? null,
    flag: (name) => given.has(name),
    positionals,
  };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
}

function checkOption(
  token: OptionToken,
  options: Readonly<Record<string, OptionSpec>>,
  given: ReadonlyMap<string, unknown>,
): string {
  const spec = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
  if (spec === undefined) {
    const near = nearest(token.name, Object.keys(options));
    throw usageError(
      `unknown option "${token.rawName}"`,
      near === null ? undefined : `did you mean "--${near}"?`,
    );
  }
  if (spec.type === 'boolean' && token.value !== undefined) {
    throw usageError(`option "${token.rawName}" takes no value`);
  }
  if (spec.type === 'string' && token.value === undefined) {
    throw usageError(`option "${token.rawName}" needs a value`);
  }
  if (spec.type === 'string' && spec.multiple !== true && given.has(token.name)) {
    throw usageError(`option "${token.rawName}" is given twice`);
  }
  return token.value ?? '';
}
