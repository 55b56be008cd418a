/** One worker process as its supervisor sees it. */
import type { ChildProcess } from 'node:child_process';
import { envelope, isMessage, type SupervisorMessage } from './message.js';

export interface WorkerEvents {
  ready(worker: Worker): void;
  worn(worker: Worker): void;
  ended(worker: Worker): void;
}

export class Worker {
  readonly #child: ChildProcess;
  readonly #events: WorkerEvents;
  readonly #started = performance.now();
  #isReady = false;
  #ending: string | null = null;

  constructor(child: ChildProcess, events: WorkerEvents) {
    this.#child = child;
    this.#events = events;
    child.on('message', (message) => this.#hear(message));
    child.on('error', (error) => this.#end(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) =>
      this.#end(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** What became of it, for the log; null while it runs. */
  get ending(): string | null {
    return this.#ending;
  }

  /** Null when a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Milliseconds since it was started. */
  get age(): number {
    return performance.now() - this.#started;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  tell(message: SupervisorMessage): void {
    if (this.#child.connected) {
      this.#child.send(envelope(message), () => undefined); // it may be ending just now
    }
  }

  #hear(message: unknown): void {
    if (isMessage(message, 'ready')) {
      this.#isReady = true;
      this.#events.ready(this);
    } else if (isMessage(message, 'worn')) {
      this.#events.worn(this);
    }
  }

  #end(ending: string): void {
    if (this.#ending === null) {
      this.#ending = ending;
      this.#events.ended(this);
    }
  }
}
