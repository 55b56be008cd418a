/** `mxtls sni build`: from a source with names and files to a store with names and chains. */
import { readFile } from 'node:fs/promises';
import { TlsError } from '../errors.js';
import { readFileValue } from '../maps/file-values.js';
import { lmdbFile, writeLmdb } from '../maps/lmdb-table.js';
import { parseSource } from '../maps/source.js';
import type { TableEntry } from '../maps/table.js';
import { exitCode, Failure } from './command.js';
import { systemReason } from './system-reason.js';

/** Says what is wrong with each line; writes nothing unless all chains can be used. */
export async function buildStore(source: string): Promise<number> {
  const file = source.replace(/^lmdb:/, '');
  const { entries, warnings } = parseSource(await readSource(file), file);
  for (const warning of warnings) {
    process.stderr.write(`mxtls: warning: ${warning}\n`);
  }
  const { values, problems } = await readChains(entries);
  for (const problem of problems) {
    process.stderr.write(`mxtls: ${problem}\n`);
  }
  if (problems.length > 0) {
    const still = `${lmdbFile(file)} is as it was`;
    throw new Failure(
      `${problems.length} of ${entries.length} names have no usable chain; ${still}`,
      exitCode.config,
    );
  }
  await writeLmdb(file, values);
  process.stdout.write(`${lmdbFile(file)}: ${values.length} names\n`);
  return exitCode.ok;
}

async function readSource(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Failure(`cannot read ${file}: ${systemReason(error)}`, exitCode.noInput, error);
  }
}

interface ReadChains {
  readonly values: readonly (readonly [name: string, value: string])[];
  readonly problems: readonly string[];
}

/** Files that many names have are read and checked once. */
async function readChains(entries: readonly TableEntry[]): Promise<ReadChains> {
  const { parseChains } = await import('../sni/chains.js');
  const known = new Map<string, string>();
  const values: (readonly [string, string])[] = [];
  const problems: string[] = [];
  for (const entry of entries) {
    try {
      let value = known.get(entry.value);
      if (value === undefined) {
        const pem = readFileValue(entry);
        parseChains(pem, entry.origin);
        value = pem.toString('base64');
        known.set(entry.value, value);
      }
      values.push([entry.key, value]);
    } catch (error) {
      if (!(error instanceof TlsError)) {
        throw error;
      }
      problems.push(error.message);
    }
  }
  return { values, problems };
}
