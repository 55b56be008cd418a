/**
 * main.cf: `name = value`, one logical line each.
 *
 * A line that begins with white space continues the one before. Lines that are empty or whose first character is `#`
 * are passed over, inside a continued line, too. A name that is set again counts with its last value.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TlsError } from '../errors.js';
import { systemErrorText } from '../log/system-error.js';
import type { Setting, Settings } from './settings.js';

/**
 * Reads DIR/main.cf. `$config_directory` is DIR unless the file says otherwise.
 *
 * @throws TlsError `MAIN_CF`: cannot be read, or is no main.cf; names file and line
 */
export function readMainCf(directory: string): Settings {
  const file = join(directory, 'main.cf');
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new TlsError({
      code: 'MAIN_CF',
      message: `cannot read ${file}: ${systemErrorText((error as { errno?: number }).errno ?? 0)}`,
      suggestion: 'name a directory that has a main.cf',
      cause: error,
    });
  }
  const own: Setting = { text: directory.replaceAll('$', '$$$$'), origin: null };
  return new Map([['config_directory', own], ...parseMainCf(content, file)]);
}

/**
 * Takes the text of a main.cf apart.
 *
 * @param file for errors and origins
 * @throws TlsError `MAIN_CF`, with file and line
 */
export function parseMainCf(content: string, file: string): Settings {
  const settings = new Map<string, Setting>();
  for (const { text, number } of logicalLines(content, file)) {
    const origin = `${file}, line ${number}`;
    const match = /^([^\s=]+)\s*=(.*)$/s.exec(text);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw syntaxError(origin, `"${excerpt(text)}" is no parameter setting`, 'name = value');
    }
    const again = settings.has(match[1]);
    settings.set(match[1], { text: match[2].trim(), origin, ...(again ? { again } : {}) });
  }
  return settings;
}

interface LogicalLine {
  readonly text: string;
  /** Of its first line, from 1. */
  readonly number: number;
}

function logicalLines(content: string, file: string): readonly LogicalLine[] {
  const lines: { number: number; parts: string[] }[] = [];
  for (const [index, raw] of content.split('\n').entries()) {
    const text = raw.trim();
    if (text === '' || text.startsWith('#')) {
      continue;
    }
    const last = lines.at(-1);
    if (!/^\s/.test(raw)) {
      lines.push({ number: index + 1, parts: [text] });
    } else if (last === undefined) {
      const origin = `${file}, line ${index + 1}`;
      throw syntaxError(origin, 'the first line begins with white space', 'name = value');
    } else {
      last.parts.push(text);
    }
  }
  return lines.map(({ number, parts }) => ({ number, text: parts.join(' ') }));
}

function syntaxError(origin: string, what: string, form: string): TlsError {
  return new TlsError({
    code: 'MAIN_CF',
    message: `${origin}: ${what}`,
    suggestion: `write ${form}`,
  });
}

function excerpt(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}...`;
}
