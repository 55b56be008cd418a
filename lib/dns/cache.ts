// Answers for as long as they hold: bounded, the least recently used one goes first.
import type { DnsResult } from './answer.js';

interface Entry<Data> {
  readonly result: DnsResult<Data>;
  /** On the caller's clock, milliseconds. */
  readonly expires: number;
}

export class AnswerCache<Data> {
  readonly #size: number;
  readonly #now: () => number;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<string, Entry<Data>>();

  /** @param now milliseconds of a clock that does not go back */
  constructor(size: number, now: () => number) {
    this.#size = size;
    this.#now = now;
  }

  /** What is left of the time to live is in the result. */
  get(name: string): DnsResult<Data> | null {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.result.kind === 'failure') {
      return null;
    }
    this.#entries.delete(name);
    const left = entry.expires - this.#now();
    if (left <= 0) {
      return null;
    }
    this.#entries.set(name, entry);
    return { ...entry.result, ttl: Math.ceil(left / 1000) };
  }

  /** Failures and answers without a time to live are not kept. */
  put(name: string, result: DnsResult<Data>): void {
    if (result.kind === 'failure' || result.ttl <= 0) {
      return;
    }
    this.#entries.delete(name);
    this.#entries.set(name, { result, expires: this.#now() + result.ttl * 1000 });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#size && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
  }
}
