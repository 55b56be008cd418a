/**
 * How often each command came and how often it was accepted: the tail of the `disconnect` line.
 *
 * `ehlo=2 starttls=1 mail=1 rcpt=1/2 data=1 quit=1 commands=7/8`: accepted, then total where they
 * differ; commands that did not come are left out.
 */
import { type Verb, verbs } from '../smtp/command.js';

const unknownSlot = verbs.length;
const slots: ReadonlyMap<Verb, number> = new Map(verbs.map((verb, slot) => [verb, slot]));
const names: readonly string[] = [...verbs.map((verb) => verb.toLowerCase()), 'unknown'];

export class CommandCount {
  readonly #accepted: number[] = names.map(() => 0);
  readonly #total: number[] = names.map(() => 0);

  /** Counts one command; null is an unknown one. */
  add(verb: Verb | null, accepted: boolean): void {
    const slot = verb === null ? unknownSlot : (slots.get(verb) ?? unknownSlot);
    this.#total[slot] = (this.#total[slot] ?? 0) + 1;
    if (accepted) {
      this.#accepted[slot] = (this.#accepted[slot] ?? 0) + 1;
    }
  }

  toString(): string {
    const parts = names
      .map((name, slot) => part(name, this.#accepted[slot] ?? 0, this.#total[slot] ?? 0))
      .filter((text) => text !== '');
    return [...parts, part('commands', sum(this.#accepted), sum(this.#total))].join(' ').trimEnd();
  }
}

function part(name: string, accepted: number, total: number): string {
  if (total === 0) {
    return name === 'commands' ? 'commands=0/0' : '';
  }
  return accepted === total ? `${name}=${total}` : `${name}=${accepted}/${total}`;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}
