/**
 * `lmdb:FILE`: sessions in a file, shared by all processes that open it, and kept over restarts.
 *
 * The file is FILE.mxlmdb, as that of a table. Postfix empties its database when tlsmgr(8) starts; here each process opens the file
 * for itself, and one that restarts must not take the sessions of the others: what has expired goes when it is met, and
 * in scans. A value is the time of storing (8 bytes, milliseconds) and the session.
 */
import { createHash } from 'node:crypto';
import { access, chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Database } from 'lmdb';
import { TlsError } from '../errors.js';
import { isStoreOrAbsent, lmdbFile } from '../maps/lmdb-table.js';
import { type Clock, systemClock } from '../tls/chain-keeper.js';
import { cacheTimeout, longestSession } from './store.js';
import type { SessionStore } from './store.js';

export interface LmdbSessionStoreProps {
  /** Without the extension `.mxlmdb`. */
  readonly file: string;
  /** Seconds that a session is kept. */
  readonly timeout: number;
  /** For tests. */
  readonly clock?: Clock;
}

/** Bytes before the session. */
const header = 8;

/** Longer ids are known by their digest: LMDB takes keys of 1978 bytes. */
const longestKey = 1000;

/** Entries that a scan looks at before others get their turn. */
const batch = 100;

/** What a timer can wait for. */
const longestWait = 0x7fffffff;

export class LmdbSessionStore implements SessionStore {
  readonly #database: Database<Buffer, string>;
  readonly #timeout: number;
  readonly #clock: Clock;
  readonly #endScans: () => void;
  #scanning: Promise<void> | null = null;
  #closed = false;

  private constructor(database: Database<Buffer, string>, props: LmdbSessionStoreProps) {
    this.#database = database;
    this.#timeout = cacheTimeout(props.timeout) * 1000;
    this.#clock = props.clock ?? systemClock;
    void this.scan();
    this.#endScans = this.#clock.every(Math.min(this.#timeout, longestWait), () => {
      void this.scan();
    });
  }

  /**
   * Opens the file, and makes it with mode 0600 where there is none.
   *
   * @throws TlsError (rejects) `SESSION_CACHE`
   */
  static async open(props: LmdbSessionStoreProps): Promise<LmdbSessionStore> {
    const path = lmdbFile(props.file);
    if (cacheTimeout(props.timeout) === 0) {
      throw new TlsError({ code: 'INVALID_ARGUMENT', message: 'a cache without time has nothing' });
    }
    try {
      await access(dirname(path)); // lmdb would make it
      if (!isStoreOrAbsent(path)) {
        throw new Error('it is no store of mxtls');
      }
      return new LmdbSessionStore(await openPrivately(path), props);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `cannot open ${path}: ${reason}`;
      throw new TlsError({ code: 'SESSION_CACHE', message, cause: error });
    }
  }

  async lookup(id: string): Promise<Uint8Array | null> {
    const key = keyOf(id);
    const value = this.#open().get(key);
    if (value === undefined) {
      return null;
    }
    if (this.#dead(value)) {
      await this.#removeDead([key]);
      return null;
    }
    return value.subarray(header);
  }

  async update(id: string, session: Uint8Array): Promise<void> {
    if (session.length > longestSession) {
      return;
    }
    const value = Buffer.alloc(header + session.length);
    value.writeDoubleBE(this.#clock.now());
    value.set(session, header);
    await this.#open().put(keyOf(id), value);
  }

  async delete(id: string): Promise<void> {
    await this.#open().remove(keyOf(id));
  }

  /** Removes what has expired, some entries at a time; one scan goes on at a time. */
  scan(): Promise<void> {
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = null;
    });
    return this.#scanning;
  }

  async close(): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#endScans();
    await this.#scanning;
    await this.#database.close();
  }

  async #scan(): Promise<void> {
    let start: string | undefined;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#closed) {
        return;
      }
      const range = {
        limit: batch,
        ...(start === undefined ? {} : { start, exclusiveStart: true }),
      };
      const entries = [...this.#database.getRange(range)];
      const dead = entries.filter(({ value }) => this.#dead(value)).map(({ key }) => key);
      await this.#removeDead(dead);
      start = entries.at(-1)?.key;
      if (entries.length < batch) {
        return;
      }
    }
  }

  /** Another process may have put a new session in the place meanwhile. */
  async #removeDead(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) {
      return;
    }
    await this.#database.transaction(() => {
      for (const key of keys) {
        const value = this.#database.get(key);
        if (value !== undefined && this.#dead(value)) {
          void this.#database.remove(key);
        }
      }
    });
  }

  /** One that was stored in the future is of another clock, or damaged. */
  #dead(value: Buffer): boolean {
    if (value.length <= header) {
      return true;
    }
    const age = this.#clock.now() - value.readDoubleBE();
    return !(age <= this.#timeout && age >= -this.#timeout);
  }

  #open(): Database<Buffer, string> {
    if (this.#closed) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'the session store is closed' });
    }
    return this.#database;
  }
}

/** Sessions are secrets: nobody else may read the file, nor the one of its locks. */
async function openPrivately(path: string): Promise<Database<Buffer, string>> {
  const { open } = await import('lmdb');
  const mask = process.umask(0o077);
  let database: Database<Buffer, string>;
  try {
    database = open<Buffer, string>({
      ...{ path, noSubdir: true, encoding: 'binary', compression: false },
    });
  } finally {
    process.umask(mask);
  }
  await chmod(path, 0o600);
  return database;
}

function keyOf(id: string): string {
  return id.length <= longestKey ? id : createHash('sha256').update(id).digest('hex');
}
