// /etc/resolv.conf as it is now: read at start, and again when the file has changed.
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { parseResolvConf, type ResolvConf } from './servers.js';

/** Milliseconds between looks at the file. */
const INTERVAL = 5000;

export class ResolvConfFile {
  readonly #path: string;
  readonly #trustAd: boolean;
  readonly #now: () => number;
  #current: ResolvConf;
  #looked: number;
  #version: string | null = null;

  /** A file that cannot be read counts as empty, as with glibc. */
  constructor(path: string, trustAd: boolean, now: () => number) {
    this.#path = path;
    this.#trustAd = trustAd;
    this.#now = now;
    this.#current = parseResolvConf(readNow(path), trustAd);
    this.#looked = now() - INTERVAL;
  }

  async current(): Promise<ResolvConf> {
    if (this.#now() - this.#looked >= INTERVAL) {
      this.#looked = this.#now();
      await this.#look();
    }
    return this.#current;
  }

  /** A file that is being replaced leaves things as they are. */
  async #look(): Promise<void> {
    try {
      const { mtimeMs, ino, size } = await stat(this.#path);
      const version = `${mtimeMs} ${ino} ${size}`;
      if (version !== this.#version) {
        this.#current = parseResolvConf(await readFile(this.#path, 'utf8'), this.#trustAd);
        this.#version = version;
      }
    } catch {
      this.#version = null;
    }
  }
}

function readNow(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
