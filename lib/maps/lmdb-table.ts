/**
 * `lmdb:FILE`: an indexed table, for more entries than one wants in memory or to read at each start.
 *
 * The store is FILE.mxlmdb, written by the npm package lmdb. It is not the FILE.lmdb of Postfix: that package's LMDB has
 * another data format (version 2), and neither program can read the other's. Hence an extension of its own: both can
 * lie side by side, made from one source. Keys and values are UTF-8 texts; keys are folded.
 *
 * A store is written whole under another name and renamed into place: readers have the old one or the new one, and
 * nothing between. It has keys in it, so that only its owner may read it.
 */
import { accessSync, closeSync, constants, existsSync, openSync, readSync } from 'node:fs';
import { access, chmod, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorText } from '../log/system-error.js';
import { foldKey, type OpenTable } from './table.js';
import { tableError } from './table-error.js';

/** In the first page of each store, after its header of 24 bytes; the LMDB of Postfix has one of 16. */
const magic = 0xbeefc0de;
const version = 2;

const layout = { noSubdir: true, encoding: 'string', compression: false } as const;

/** Where the store of `lmdb:FILE` is. */
export function lmdbFile(name: string): string {
  return `${name}.mxlmdb`;
}

/** Opens a store for reading. @throws TlsError `LOOKUP_TABLE` */
export async function openLmdb(name: string): Promise<OpenTable> {
  const spec = `lmdb:${name}`;
  const path = lmdbFile(name);
  checkStore(name);
  const { open } = await import('lmdb');
  try {
    const store = open<string, string>({ path, readOnly: true, ...layout });
    return {
      spec,
      lookup: (key) => store.get(foldKey(key)),
      close: () => {
        store.close();
      },
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw tableError(`${spec}: cannot open ${path}: ${reason}`, undefined, error);
  }
}

/**
 * There is a store of our format, or no file: lmdb 3.5 ends the process when it is to open anything else.
 *
 * @throws Error when the file cannot be read
 */
export function isStoreOrAbsent(path: string): boolean {
  try {
    const head = headOf(path);
    return head.readUInt32LE(24) === magic && head.readUInt32LE(28) === version;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') {
      return true;
    }
    throw error;
  }
}

function headOf(path: string): Buffer {
  const head = Buffer.alloc(32);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  return head;
}

/**
 * That there is a store of our format: lmdb 3.5 ends the process when it is to open anything else.
 *
 * @throws TlsError `LOOKUP_TABLE`
 */
function checkStore(name: string): void {
  const path = lmdbFile(name);
  const advice = `make it with "mxtls sni build ${name}"`;
  let ours: boolean;
  try {
    accessSync(path, constants.R_OK);
    ours = isStoreOrAbsent(path);
  } catch (error) {
    const reason = systemErrorText((error as { errno?: number }).errno ?? 0);
    const other = existsSync(`${name}.lmdb`) ? `the ${name}.lmdb of Postfix cannot be used; ` : '';
    throw tableError(`lmdb:${name}: cannot open ${path}: ${reason}`, other + advice, error);
  }
  if (!ours) {
    throw tableError(`lmdb:${name}: ${path} is no store of mxtls`, advice);
  }
}

/**
 * Writes a store and puts it in the place of the old one.
 *
 * @param entries keys in any case; the first of equal ones counts
 * @throws TlsError `LOOKUP_TABLE`: then the old one stands
 */
export async function writeLmdb(
  name: string,
  entries: Iterable<readonly [key: string, value: string]>,
): Promise<void> {
  const path = lmdbFile(name);
  const draft = `${path}.${process.pid}`;
  try {
    await access(dirname(path)); // lmdb would make it
    await writeStore(draft, entries);
    await rename(draft, path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw tableError(`cannot write ${path}: ${reason}`, undefined, error);
  } finally {
    await Promise.all([draft, `${draft}-lock`].map((file) => rm(file, { force: true })));
  }
}

async function writeStore(
  path: string,
  entries: Iterable<readonly [key: string, value: string]>,
): Promise<void> {
  const { open } = await import('lmdb');
  const mask = process.umask(0o077);
  try {
    const store = open<string, string>({ path, ...layout });
    store.transactionSync(() => {
      for (const [key, value] of entries) {
        if (!store.doesExist(foldKey(key))) {
          store.putSync(foldKey(key), value);
        }
      }
    });
    await store.flushed;
    await store.close();
  } finally {
    process.umask(mask);
  }
  await chmod(path, 0o600);
}
