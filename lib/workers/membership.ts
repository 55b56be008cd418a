/** A worker process' side: says that it is ready, asks to be replaced, hears when to end. */
import { envelope, isMessage, type WorkerMessage } from './message.js';

export class Membership {
  #left = 0;

  /** Null in a process that nobody supervises. */
  static join(): Membership | null {
    return process.send === undefined ? null : new Membership();
  }

  private constructor() {
    // Alone the channel does not keep a process that is done.
    process.channel?.unref();
  }

  /**
   * The process serves clients from now on.
   *
   * @param limit clients after which it wants to be replaced; 0: never
   */
  ready(limit: number): void {
    this.#left = limit;
    this.#tell('ready');
  }

  /** One more client. */
  count(): void {
    if (this.#left > 0) {
      this.#left -= 1;
      if (this.#left === 0) {
        this.#tell('worn');
      }
    }
  }

  /** Resolves when another process takes the clients from now on. */
  async retired(): Promise<'retired'> {
    return new Promise((resolve) => {
      process.on('message', (message) => {
        if (isMessage(message, 'retire')) {
          resolve('retired');
        }
      });
    });
  }

  /** Resolves when the supervisor has gone. */
  async abandoned(): Promise<'abandoned'> {
    return new Promise((resolve) => {
      process.on('disconnect', () => resolve('abandoned'));
    });
  }

  #tell(message: WorkerMessage): void {
    // A supervisor that has gone is told nothing: 'disconnect' says so.
    process.send?.(envelope(message), undefined, undefined, () => undefined);
  }
}
