/**
 * Settings: what parameters were set to, and where.
 *
 * Their texts are unexpanded: what `$name` stands for is known only when all of them are there.
 */
import { TlsError } from '../errors.js';

export interface Setting {
  readonly text: string;
  /** `/etc/mxtls/main.cf, line 3`; null: the command line, or the program itself. */
  readonly origin: string | null;
  /** An earlier line of the same file set it, too. */
  readonly again?: true;
}

/** By name, in order. */
export type Settings = ReadonlyMap<string, Setting>;

/** Later ones win. */
export function mergeSettings(...all: readonly Settings[]): Settings {
  const merged = new Map<string, Setting>();
  for (const [name, setting] of all.flatMap((settings) => [...settings])) {
    merged.set(name, setting);
  }
  return merged;
}

/**
 * Splits `name=value`, blanks around both allowed, `{ name = value }` too; a later one wins.
 *
 * @throws TlsError `COMMAND_LINE`
 */
export function readAssignments(assignments: readonly string[]): Settings {
  const settings = new Map<string, Setting>();
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
    settings.set(match[1], { text: match[2].trim(), origin: null });
  }
  return settings;
}
