/** How many messages `mxtls smtpd` is receiving: what a graceful end waits for. */
import type { Store } from './smtpd-store.js';

export class Work {
  #messages = 0;
  #waiting: (() => void)[] = [];

  /** A store that counts. */
  counting(store: Store): Store {
    return async (session, message) => {
      this.#messages++;
      try {
        return await store(session, message);
      } finally {
        this.#messages--;
        this.#tell();
      }
    };
  }

  /** Resolves when no message is being received. */
  done(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#tell();
    });
  }

  #tell(): void {
    if (this.#messages === 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resolve of waiting) {
        resolve();
      }
    }
  }
}
