/**
 * Where the chains of a server name are: the order in which keys and tables are looked at, and what a value must be.
 *
 * For `mail.a.example` the keys are `mail.a.example`, `.a.example`, `.example`; each is looked up in all tables before
 * the next. A table's value is PEM in base64, as `postmap -F` stores it. Last of all a function may be asked.
 */
import { decodeFileValue } from '../maps/file-values.js';
import type { OpenTable } from '../maps/table.js';

/** The name, then its parents with a leading dot, the nearest first. */
export function lookupKeys(name: string): readonly string[] {
  const keys = [name];
  for (let dot = name.indexOf('.', 1); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    keys.push(name.slice(dot));
  }
  return keys;
}

export interface FoundValue {
  /** The key that matched. */
  readonly key: string;
  /** `type:name` of the table. */
  readonly table: string;
  readonly pem: Buffer;
}

/** The tables cannot tell: the handshake must not go on with another chain. */
export class LookupProblem extends Error {
  /** For the log. */
  readonly lines: readonly string[];

  constructor(...lines: readonly string[]) {
    super(lines.join('; '));
    this.lines = lines;
  }
}

/**
 * Looks a name up.
 *
 * @returns undefined when no key of it is in any table
 * @throws LookupProblem (rejects): a table failed, or its value is empty or no base64
 */
export async function findInTables(
  tables: readonly OpenTable[],
  name: string,
): Promise<FoundValue | undefined> {
  for (const key of lookupKeys(name)) {
    for (const table of tables) {
      const value = await lookUp(table, key);
      if (value !== undefined) {
        return { key, table: table.spec, pem: decode(value, key, table.spec) };
      }
    }
  }
  return undefined;
}

async function lookUp(table: OpenTable, key: string): Promise<string | undefined> {
  try {
    return await table.lookup(key);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LookupProblem(`${table.spec} lookup error for "${key}": ${reason}`);
  }
}

function decode(value: string, key: string, table: string): Buffer {
  if (value === '') {
    throw new LookupProblem(
      `tls_server_sni_maps lookup of ${key} returns an empty string result`,
      'tls_server_sni_maps should return NO RESULT in case of NOT FOUND',
    );
  }
  const pem = decodeFileValue(value);
  if (pem === null) {
    const shown = value.length <= 100 ? value : `${value.slice(0, 100)}...`;
    throw new LookupProblem(`table ${table}: key ${key}: malformed BASE64 value: ${shown}`);
  }
  return pem;
}
