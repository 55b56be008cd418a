/** What callers may give in the place of a table: a Map or a plain object serves as one. */
import { TlsError } from '../errors.js';
import type { LookupTable } from './table.js';

/** A table, or its content. Keys of content are found as they are asked for, else in lower case. */
export type TableLike =
  | LookupTable
  | ReadonlyMap<string, string>
  | Readonly<Record<string, string>>;

/** @throws TlsError `INVALID_ARGUMENT` */
export function toTable(value: TableLike): LookupTable {
  if (value instanceof Map) {
    return { lookup: (key) => value.get(key) ?? value.get(key.toLowerCase()) };
  }
  if (typeof value !== 'object' || value === null) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: 'this is no lookup table',
      suggestion: 'give an object with a method lookup, a Map, or a plain object with texts',
    });
  }
  if (isTable(value)) {
    return value;
  }
  const content = new Map(Object.entries(value));
  return { lookup: (key) => content.get(key) ?? content.get(key.toLowerCase()) };
}

function isTable(value: object): value is LookupTable {
  return typeof (value as { readonly lookup?: unknown }).lookup === 'function';
}
