/**
 * Tables by their names, `type:name` as in Postfix: `texthash:FILE`, `inline:{ {name = value}, ... }`, `lmdb:FILE`,
 * `cidr:{ {NETWORK VALUE}, ... }`, `socketmap:inet:HOST:PORT:NAME`, `socketmap:unix:PATH:NAME`.
 */
import { nearest } from '../config/suggest.js';
import { openCidr } from './cidr-table.js';
import { openLmdb } from './lmdb-table.js';
import { type MemoryTableOptions, openInline, openTexthash } from './memory-table.js';
import { openSocketmap } from './socketmap-table.js';
import type { OpenTable } from './table.js';
import { tableError } from './table-error.js';

export interface OpenTableOptions {
  /**
   * Values name files, and looking up gives their content in base64, as with `postmap -F`. `texthash` and `inline` read
   * the files when they are opened; an indexed table has the content already.
   */
  readonly valuesAreFiles?: boolean;
  /** Gets what is wrong with single lines. */
  readonly warn?: (text: string) => void;
}

type Opener = (name: string, options: MemoryTableOptions) => OpenTable | Promise<OpenTable>;

const openers: ReadonlyMap<string, Opener> = new Map<string, Opener>([
  ['texthash', openTexthash],
  ['inline', openInline],
  ['lmdb', openLmdb],
  ['cidr', (name) => openCidr(name)],
  ['socketmap', (name) => openSocketmap(name)],
]);

/** Indexed files of Postfix that `postmap` makes. */
const indexedElsewhere = ['btree', 'cdb', 'dbm', 'hash', 'sdbm'];

/**
 * Opens a table.
 *
 * @param spec `type:name`
 * @throws TlsError (rejects) `LOOKUP_TABLE`: the type is not known, or the table cannot be read; says what to do
 */
export async function openTable(spec: string, options: OpenTableOptions = {}): Promise<OpenTable> {
  const colon = spec.indexOf(':');
  const type = colon < 0 ? '' : spec.slice(0, colon);
  const opener = openers.get(type);
  if (opener === undefined) {
    throw unknownType(spec, type);
  }
  return opener(spec.slice(colon + 1), {
    valuesAreFiles: options.valuesAreFiles ?? false,
    warn: options.warn ?? (() => undefined),
  });
}

function unknownType(spec: string, type: string): Error {
  const name = spec.slice(spec.indexOf(':') + 1);
  if (type === '') {
    return tableError(`"${spec}" is no lookup table`, `write type:name, such as texthash:${name}`);
  }
  const near = nearest(type, openers.keys());
  if (near !== null) {
    return tableError(`unsupported dictionary type: ${type}`, `did you mean "${near}:${name}"?`);
  }
  return tableError(
    `unsupported dictionary type: ${type}`,
    indexedElsewhere.includes(type)
      ? `use texthash:${name}, or lmdb:${name} after "mxtls sni build ${name}"`
      : `use one of ${[...openers.keys()].join(', ')}`,
  );
}
