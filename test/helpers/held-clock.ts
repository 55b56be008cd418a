/** A clock that stands still until a test moves it. */
import type { Clock } from '../../lib/tls/chain-keeper.js';

interface Timer {
  readonly ms: number;
  readonly call: () => void;
  next: number;
}

export class HeldClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();

  constructor(now = Date.parse('2026-11-24T12:00:00Z')) {
    this.#now = now;
  }

  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  every(ms: number, call: () => void): () => void {
    const timer = { ms, call, next: this.#now + ms };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Moves on, and calls what is due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter(({ next }) => next <= end)
        .sort((a, b) => a.next - b.next)[0];
      if (due === undefined) {
        break;
      }
      this.#now = due.next;
      due.next += due.ms;
      due.call();
    }
    this.#now = end;
  }
}
