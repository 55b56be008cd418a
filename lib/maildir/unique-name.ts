/**
 * File names that no other delivery to the same Maildir chooses, in this process or any other, here
 * or on another machine that shares the directory.
 *
 * `SECONDS.MmicrosecondsPpidQcountRrandom.HOST`, as the Maildir convention builds them. Process
 * numbers repeat where processes live in containers; the random part does not.
 */
import { randomBytes } from 'node:crypto';

export interface UniqueNameProps {
  readonly hostname: string;
  /** Milliseconds since the epoch; default: the clock. */
  readonly now?: () => number;
}

export class UniqueNames {
  readonly #host: string;
  readonly #now: () => number;
  readonly #random = randomBytes(8).toString('hex');
  #count = 0;

  constructor(props: UniqueNameProps) {
    this.#host = fileNamePart(props.hostname);
    this.#now = props.now ?? Date.now;
  }

  next(): string {
    const now = this.#now();
    const seconds = Math.floor(now / 1000);
    const micros = Math.floor((now % 1000) * 1000);
    this.#count++;
    return `${seconds}.M${micros}P${process.pid}Q${this.#count}R${this.#random}.${this.#host}`;
  }
}

/** A colon would begin the flags of a message, a slash another directory. */
function fileNamePart(hostname: string): string {
  return hostname.replaceAll('/', '\\057').replaceAll(':', '\\072');
}
