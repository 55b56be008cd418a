/** `texthash:FILE` and `inline:{ ... }`: tables that are read once and kept in memory. */
import { readFileSync } from 'node:fs';
import { systemErrorText } from '../log/system-error.js';
import { FileValues } from './file-values.js';
import { parseSource } from './source.js';
import { insideBraces, splitOutsideBraces } from './split.js';
import { foldKey, type OpenTable, type TableEntry } from './table.js';
import { tableError } from './table-error.js';

export interface MemoryTableOptions {
  readonly valuesAreFiles: boolean;
  /** Gets what is wrong with single lines. */
  readonly warn: (text: string) => void;
}

/** `texthash:FILE`. @throws TlsError `LOOKUP_TABLE` */
export function openTexthash(file: string, options: MemoryTableOptions): OpenTable {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = systemErrorText((error as { errno?: number }).errno ?? 0);
    throw tableError(`texthash:${file}: cannot read it: ${reason}`, undefined, error);
  }
  const { entries, warnings } = parseSource(content, file);
  for (const warning of warnings) {
    options.warn(warning);
  }
  return memoryTable(`texthash:${file}`, entries, options);
}

/**
 * `inline:{ key=value, { key = text with blanks } }`.
 *
 * @param text all behind `inline:`
 * @throws TlsError `LOOKUP_TABLE`
 */
export function openInline(text: string, options: MemoryTableOptions): OpenTable {
  const spec = `inline:${text}`;
  const inner = insideBraces(text.trim());
  if (inner === null) {
    throw tableError(
      `bad syntax: "${spec}": need "inline:{name=value...}"`,
      'write inline:{ {name = value}, {name = value} }',
    );
  }
  const entries = splitOutsideBraces(inner).map((element) => inlineEntry(element, spec));
  if (entries.length === 0) {
    throw tableError(`empty table: "${spec}": need "inline:{name=value...}"`);
  }
  return memoryTable(spec, entries, options);
}

function inlineEntry(element: string, spec: string): TableEntry {
  const match = /^([^=]*\S)\s*=\s*(.*)$/s.exec(insideBraces(element) ?? element);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw tableError(
      `bad syntax: "${spec}": "${element}" is not name = value`,
      'write inline:{ {name = value}, {name = value} }',
    );
  }
  return { key: foldKey(match[1].trim()), value: match[2].trim(), origin: spec };
}

/** The last of equal keys counts. */
function memoryTable(
  spec: string,
  entries: readonly TableEntry[],
  { valuesAreFiles }: MemoryTableOptions,
): OpenTable {
  const files = new FileValues();
  const values = new Map(
    entries.map((entry) => [entry.key, valuesAreFiles ? files.read(entry) : entry.value]),
  );
  return {
    spec,
    lookup: (key) => values.get(foldKey(key)),
    close: () => values.clear(),
  };
}
