/** A logger that remembers, and lets a test wait for a line instead of for a time. */
import type { Logger } from '../../lib/log/logger.js';

export class Lines implements Logger {
  readonly all: string[] = [];
  #waiting: (() => void)[] = [];

  info(text: string): void {
    this.#add(text);
  }

  warn(text: string): void {
    this.#add(`warning: ${text}`);
  }

  error(text: string): void {
    this.#add(`error: ${text}`);
  }

  /** The first line from the `from`th on that matches, now or later. */
  async line(pattern: RegExp, from = 0): Promise<string> {
    for (;;) {
      const found = this.all.find((text, i) => i >= from && pattern.test(text));
      if (found !== undefined) {
        return found;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Waits until so many lines match; the last of them. */
  async nth(pattern: RegExp, count: number): Promise<string> {
    for (;;) {
      const found = this.matching(pattern)[count - 1];
      if (found !== undefined) {
        return found;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  matching(pattern: RegExp): string[] {
    return this.all.filter((text) => pattern.test(text));
  }

  #add(text: string): void {
    this.all.push(text);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) {
      wake();
    }
  }
}
