/**
 * Delivery to a Maildir: a file per message, which is either wholly there or not at all.
 *
 * The message is written to tmp/, synced, and renamed into new/, which is synced in turn; only then
 * is the delivery reported. Whatever fails before leaves nothing in new/. A process that is killed
 * may leave a part of a message in tmp/, which mail readers remove when it is 36 hours old.
 *
 * Renamed, not linked: the names never repeat, and not every file system has links.
 */
import { constants } from 'node:fs';
import * as nodeFiles from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SharedSync } from './shared-sync.js';
import { UniqueNames } from './unique-name.js';
import { UnixLines } from './unix-lines.js';

/** What is used of `node:fs/promises`; tests hand in disks that fail. */
export type MaildirFiles = Pick<
  typeof nodeFiles,
  'access' | 'mkdir' | 'open' | 'rename' | 'unlink'
>;

export interface MaildirProps {
  /** Made, with those above it, if it does not exist. */
  readonly path: string;
  /** Default: `node:fs/promises`. */
  readonly files?: MaildirFiles;
}

const folders = ['tmp', 'new', 'cur'] as const;

export class Maildir {
  readonly path: string;

  readonly #files: MaildirFiles;
  readonly #names = new UniqueNames({ hostname: hostname() });
  readonly #newSync: SharedSync;

  private constructor(props: MaildirProps) {
    this.path = resolve(props.path);
    this.#files = props.files ?? nodeFiles;
    this.#newSync = new SharedSync(() => this.#syncFolder(join(this.path, 'new')));
  }

  /** Opens or makes a Maildir. Rejects with the system's error when it cannot be written to. */
  static async open(props: MaildirProps): Promise<Maildir> {
    const maildir = new Maildir(props);
    await maildir.#makeFolders();
    for (const folder of ['tmp', 'new']) {
      await maildir.#files.access(join(maildir.path, folder), constants.W_OK | constants.X_OK);
    }
    return maildir;
  }

  /**
   * Delivers a message; lines end in CRLF and become lines of this system.
   *
   * Resolves with the file's name in new/ when the message will survive a crash. Rejects with what
   * `content` throws, or with the system's error; the message is not delivered then.
   */
  async deliver(content: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
    const name = this.#names.next();
    const draft = join(this.path, 'tmp', name);
    const message = join(this.path, 'new', name);
    try {
      await this.#write(draft, content);
      await this.#withFolders(() => this.#files.rename(draft, message));
      await this.#newSync.done();
    } catch (error) {
      await this.#remove(draft);
      await this.#remove(message);
      throw error;
    }
    return name;
  }

  async #write(path: string, content: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
    const lines = new UnixLines();
    const file = await this.#withFolders(() => this.#files.open(path, 'wx', 0o600));
    try {
      for await (const piece of content) {
        await file.writeFile(lines.push(piece));
      }
      const rest = lines.finish();
      if (rest.length > 0) {
        await file.writeFile(rest);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#files.unlink(path).catch(() => undefined);
  }

  /** Somebody may have removed the directories: then they are made again. */
  async #withFolders<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw error;
      }
      await this.#makeFolders();
      return work();
    }
  }

  async #makeFolders(): Promise<void> {
    await this.#makeFolder(this.path);
    for (const folder of folders) {
      await this.#makeFolder(join(this.path, folder));
    }
  }

  /** Makes a directory, and those above it, so that they survive a crash. */
  async #makeFolder(path: string): Promise<void> {
    const first = await this.#files.mkdir(path, { recursive: true, mode: 0o700 });
    for (let made = path; first !== undefined; made = dirname(made)) {
      await this.#syncFolder(dirname(made));
      if (made === first) {
        return;
      }
    }
  }

  async #syncFolder(path: string): Promise<void> {
    const folder = await this.#files.open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
