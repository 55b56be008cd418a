/** Lookup tables as their users see them: a key, perhaps a value, perhaps later. */

/**
 * A table of Postfix's kind. One that fails throws or rejects; `undefined` says that there is no such key. Keys are as
 * the client or the operator wrote them: a table with fixed strings folds them to lower case by itself.
 */
export interface LookupTable {
  lookup(key: string): string | undefined | Promise<string | undefined>;
}

/** A table that was opened by its name; its values live until it is closed. */
export interface OpenTable extends LookupTable {
  /** `type:name`, for messages. */
  readonly spec: string;
  close(): void;
}

/** One entry of a source, as it is read. */
export interface TableEntry {
  readonly key: string;
  readonly value: string;
  /** `/etc/mxtls/sni, line 3`, for messages. */
  readonly origin: string;
}

/** As Postfix folds the keys of tables with fixed strings: ASCII only. */
export function foldKey(key: string): string {
  return key.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
