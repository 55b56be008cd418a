/**
 * One fsync of a directory for all deliveries that wait for one.
 *
 * A sync that has begun may have missed an entry that was made since; who comes then waits for the
 * next one, together with all others who came.
 */
export class SharedSync {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /** Resolves when what was done before the call is on disk. */
  done(): Promise<void> {
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#running = this.#next ?? this.#running;
        this.#next = null;
        return this.#sync();
      });
    return this.#next;
  }
}
