/** Lookup tables as their users see them: a key, perhaps a value, perhaps later. */

/**
 * A table of Postfix's kind. One that fails throws or rejects; `undefined` says that there is no such key. Keys are as
 * the client or the operator wrote them: a table with fixed strings folds them to lower case by itself.
 */
export interface LookupTable {
  lookup(key: string): string | undefined | Promise<string | undefined>;
}
