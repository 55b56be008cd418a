/** How a client behaves: what it did last, how often, and how many errors it has made. */
import type { Verb } from '../smtp/command.js';
import { CommandCount } from './command-count.js';
import { junk } from './verbs.js';

export class Conduct {
  /** The last command, for `lost connection after`. */
  where = 'CONNECT';
  /** Errors since the last accepted message. */
  errors = 0;
  readonly count = new CommandCount();

  readonly #junkLimit: number;
  #junk = 0;

  constructor(junkLimit: number) {
    this.#junkLimit = junkLimit;
  }

  begin(verb: Verb | null): void {
    this.where = verb ?? 'UNKNOWN';
    if (junk.has(verb) && this.#junk++ > this.#junkLimit) {
      this.errors++;
    }
  }

  /** A command has got its reply. @param excused it was refused, but is no error of the client */
  end(verb: Verb | null, accepted: boolean, excused = false): void {
    this.count.add(verb, accepted || excused);
    if (!accepted && !excused) {
      this.errors++;
    }
  }

  /** A message was accepted: a new start. */
  forgive(): void {
    this.errors = 0;
    this.#junk = 0;
  }
}
