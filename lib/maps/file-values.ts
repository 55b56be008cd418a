/**
 * Tables whose values are the contents of files, as with `postmap -F`: the source names files, the table has what is
 * in them, one after the other with a newline between, in base64.
 */
import { readFileSync } from 'node:fs';
import { tableError } from './table-error.js';
import { systemErrorText } from '../log/system-error.js';
import type { TableEntry } from './table.js';

/**
 * Reads the files of one entry.
 *
 * @throws TlsError `LOOKUP_TABLE` with the place in the source
 */
export function readFileValue({ value, origin }: TableEntry): Buffer {
  const files = value.split(/[\s,]+/).filter((file) => file !== '');
  const contents = files.map((file) => readWhole(file, origin));
  return Buffer.concat(
    contents.flatMap((content, i) => (i === 0 ? [content] : [Buffer.from('\n'), content])),
  );
}

/** For values in memory: the same files are read and kept once. */
export class FileValues {
  readonly #known = new Map<string, string>();

  /** Base64. @throws TlsError `LOOKUP_TABLE` */
  read(entry: TableEntry): string {
    const known = this.#known.get(entry.value) ?? readFileValue(entry).toString('base64');
    this.#known.set(entry.value, known);
    return known;
  }
}

/**
 * What was in the files.
 *
 * @returns null for what is no base64
 */
export function decodeFileValue(value: string): Buffer | null {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)
    ? Buffer.from(value, 'base64')
    : null;
}

function readWhole(file: string, origin: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const reason = systemErrorText((error as { errno?: number }).errno ?? 0);
    throw tableError(`${origin}: cannot read ${file}: ${reason}`, undefined, error);
  }
}
