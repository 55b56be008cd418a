/**
 * One place among the workers: there is always a process in it, or one about to be.
 *
 * A process that ends is replaced, at once if it has lived a while, else after a pause that grows. One that is worn
 * serves until its successor is ready, and then to the end of the sessions it has.
 */
import type { ChildProcess } from 'node:child_process';
import type { Logger } from '../log/logger.js';
import { Worker, type WorkerEvents } from './worker.js';

export interface SlotProps {
  readonly start: () => ChildProcess;
  readonly logger: Required<Logger>;
  /** The first process of the slot is ready (null), or has ended before it was. */
  readonly opened: (failed: Worker | null) => void;
  /** The last process of the slot has gone. */
  readonly emptied: () => void;
}

/** Milliseconds: who lives longer was no failure. */
const goodAge = 10_000;
const longestPause = 60_000;

export class Slot implements WorkerEvents {
  readonly #props: SlotProps;
  readonly #workers = new Set<Worker>();
  /** The one that new clients are for. */
  #current: Worker | null = null;
  #failures = 0;
  #restart: NodeJS.Timeout | null = null;
  #isOpen = false;
  #stopping = false;

  constructor(props: SlotProps) {
    this.#props = props;
    this.#start();
  }

  get pids(): readonly number[] {
    return [...this.#workers].map(({ pid }) => pid);
  }

  get isEmpty(): boolean {
    return this.#workers.size === 0;
  }

  signal(signal: NodeJS.Signals): void {
    for (const worker of this.#workers) {
      worker.signal(signal);
    }
  }

  /** No process is replaced any more. */
  stop(signal: NodeJS.Signals): void {
    this.#stopping = true;
    if (this.#restart !== null) {
      clearTimeout(this.#restart);
    }
    this.signal(signal);
  }

  ready(worker: Worker): void {
    const before = this.#current;
    this.#current = worker;
    if (before !== null) {
      this.#props.logger.info(`worker ${worker.pid} takes the place of worker ${before.pid}`);
      before.tell('retire');
    }
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#props.opened(null);
    }
  }

  worn(worker: Worker): void {
    if (worker === this.#current && !this.#stopping) {
      this.#start();
    }
  }

  ended(worker: Worker): void {
    this.#workers.delete(worker);
    const needed = worker === this.#current || !worker.isReady;
    if (worker === this.#current) {
      this.#current = null;
    }
    if (needed && !this.#stopping) {
      this.#replace(worker);
    }
    if (this.isEmpty) {
      this.#props.emptied();
    }
  }

  #start(): void {
    this.#restart = null;
    this.#workers.add(new Worker(this.#props.start(), this));
  }

  #replace(worker: Worker): void {
    if (!this.#isOpen) {
      this.#stopping = true;
      this.#props.opened(worker);
      return;
    }
    this.#failures = worker.age < goodAge ? this.#failures + 1 : 0;
    const pause = this.#failures < 2 ? 0 : Math.min(longestPause, 1000 * 2 ** (this.#failures - 2));
    const when = pause === 0 ? 'starting another' : `starting another in ${pause / 1000} s`;
    this.#props.logger.warn(`worker ${worker.pid} ${worker.ending}; ${when}`);
    this.#restart ??= setTimeout(() => this.#start(), pause);
  }
}
