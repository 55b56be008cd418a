/**
 * The source format of Postfix's tables, which `texthash:` reads and `postmap` builds from: `key value`, one logical line
 * each.
 *
 * A line that begins with white space continues the one before. Lines that are empty or whose first character is `#`
 * are passed over, inside a continued line, too. White space inside double quotes does not end a key; the quotes are
 * part of it.
 */
import { foldKey, type TableEntry } from './table.js';

export interface Source {
  /** Keys are folded; the first of equal ones counts. */
  readonly entries: readonly TableEntry[];
  /** Lines that were passed over, with file and line. */
  readonly warnings: readonly string[];
}

/** Takes a source apart. Never fails: what is wrong is a warning, as with Postfix. */
export function parseSource(content: string, file: string): Source {
  const entries = new Map<string, TableEntry>();
  const warnings: string[] = [];
  for (const { text, number } of logicalLines(content)) {
    const origin = `${file}, line ${number}`;
    const match = /^((?:"(?:\\.|[^"\\])*"|\S)+)\s+(\S.*)$/s.exec(text);
    if (match?.[1] === undefined || match[2] === undefined) {
      warnings.push(`${origin}: expected format: key whitespace value`);
      continue;
    }
    const key = foldKey(match[1]);
    if (match[1].endsWith(':')) {
      warnings.push(`${origin}: record is in "key: value" format; is this an alias file?`);
    }
    if (entries.has(key)) {
      warnings.push(`${origin}: duplicate entry: "${key}"`);
    } else {
      entries.set(key, { key, value: match[2], origin });
    }
  }
  return { entries: [...entries.values()], warnings };
}

interface LogicalLine {
  text: string;
  /** Of its first line, from 1. */
  readonly number: number;
}

function logicalLines(content: string): readonly LogicalLine[] {
  const lines: LogicalLine[] = [];
  for (const [index, raw] of content.split('\n').entries()) {
    const text = raw.trim();
    if (text === '' || text.startsWith('#')) {
      continue;
    }
    const last = lines.at(-1);
    if (/^\s/.test(raw) && last !== undefined) {
      last.text += ` ${text}`;
    } else {
      lines.push({ text, number: index + 1 });
    }
  }
  return lines;
}
