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
const none: readonly number[] = names.map(() => 0);

export class CommandCount {
  readonly #accepted: number[] = none.slice();
  readonly #total: number[] = none.slice();

  /** Counts one command; null is an unknown one. */
  add(verb: Verb | null, accepted: boolean): void {
    const slot = verb === null ? unknownSlot : (slots.get(verb) ?? unknownSlot);
    this.#total[slot] = (this.#total[slot] ?? 0) + 1;
    if (accepted) {
      this.#accepted[slot] = (this.#accepted[slot] ?? 0) + 1;
    }
  }

  toString(): string {
    let text = '';
    for (const [slot, name] of names.entries()) {
      const total = this.#total[slot] ?? 0;
      text += total > 0 ? `${part(name, this.#accepted[slot] ?? 0, total)} ` : '';
    }
    return text + part('commands', sum(this.#accepted), sum(this.#total));
  }
}

function part(name: string, accepted: number, total: number): string {
  return accepted === total && total > 0 ? `${name}=${total}` : `${name}=${accepted}/${total}`;
}

function sum(counts: readonly number[]): number {
  let all = 0;
  for (const count of counts) {
    all += count;
  }
  return all;
}
