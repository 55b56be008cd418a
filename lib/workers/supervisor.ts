/**
 * Keeps a number of worker processes running, as Postfix's master(8) does: replaces those that end, and those that have
 * served long enough; passes signals on; ends with all of them.
 *
 * Workers are children with an IPC channel that use `Membership`. The listening sockets are the supervisor's, one for
 * each slot: clients that wait in one are there for the successor when a worker ends.
 */
import type { ChildProcess } from 'node:child_process';
import { engineLogger, type Logger } from '../log/logger.js';
import { Slot } from './slot.js';
import type { Worker } from './worker.js';

export interface SupervisorProps {
  /** Number of worker processes. */
  readonly count: number;
  /** Starts a process for a slot, 0 to count - 1, with an IPC channel. */
  readonly start: (slot: number) => ChildProcess;
  /** Default: standard error. */
  readonly logger?: Logger;
}

export class Supervisor {
  readonly #props: SupervisorProps;
  readonly #logger: Required<Logger>;
  readonly #slots: Slot[] = [];
  readonly #opened: Promise<Worker | null>;
  #emptied: () => void = () => undefined;

  constructor(props: SupervisorProps) {
    this.#props = props;
    this.#logger = engineLogger(props.logger, 'master');
    this.#opened = this.#open();
  }

  /** Of all processes, those that are ending included. */
  get pids(): readonly number[] {
    return this.#slots.flatMap(({ pids }) => pids);
  }

  /** Resolves with null once all workers are ready; with the first that ended before it was: call {@link stop} then. */
  async opened(): Promise<Worker | null> {
    return this.#opened;
  }

  /** Passes a signal on to all of them. */
  signal(signal: NodeJS.Signals): void {
    for (const slot of this.#slots) {
      slot.signal(signal);
    }
  }

  /** Replaces nobody any more, sends the signal, and resolves when all have ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    for (const slot of this.#slots) {
      slot.stop(signal);
    }
    await new Promise<void>((resolve) => {
      this.#emptied = () => {
        if (this.#slots.every(({ isEmpty }) => isEmpty)) {
          resolve();
        }
      };
      this.#emptied();
    });
  }

  /** The first one alone: what keeps it from starting would keep all of them. */
  async #open(): Promise<Worker | null> {
    const failed = await this.#openSlot(0);
    if (failed !== null) {
      return failed;
    }
    const others = Array.from({ length: this.#props.count - 1 }, (_, i) => this.#openSlot(i + 1));
    return (await Promise.all(others)).find((worker) => worker !== null) ?? null;
  }

  async #openSlot(i: number): Promise<Worker | null> {
    const { start } = this.#props;
    return new Promise((opened) => {
      this.#slots.push(
        new Slot({
          start: () => start(i),
          logger: this.#logger,
          opened,
          emptied: () => this.#emptied(),
        }),
      );
    });
  }
}
