/**
 * Have files changed? Asked by looking at them from time to time.
 *
 * Not fs.watch: certbot and acme.sh put new files in the place of old ones, behind symbolic links that lead into other
 * directories, and containers swap the link of a whole directory. inotify watches inodes and would have to follow each step of every
 * link, and sees nothing on network file systems. stat(2) follows the links anew each time, and costs microseconds for a handful of files.
 */
import { statSync } from 'node:fs';

/** Tells of a change once the files have been still from one look to the next: writers are not interrupted half-way. */
export class FileWatch {
  readonly #files: readonly string[];
  #known: string;
  #seen: string;

  /** Begins with the files as they are now. */
  constructor(files: readonly string[]) {
    this.#files = files;
    this.#known = this.#look();
    this.#seen = this.#known;
  }

  /** Looks; true, and once only, when there is a change that has come to rest. */
  changed(): boolean {
    const now = this.#look();
    const still = now === this.#seen;
    this.#seen = now;
    if (!still || now === this.#known) {
      return false;
    }
    this.#known = now;
    return true;
  }

  /** Takes the files as they are now for known: before they are read. */
  mark(): void {
    this.#known = this.#look();
    this.#seen = this.#known;
  }

  /** What tells one state of the files from another, whatever a file is. */
  #look(): string {
    return this.#files.map(stamp).join('\n');
  }
}

function stamp(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
