/**
 * How many connections each client address has at the moment, and whether that is too many
 * (`smtpd_client_connection_count_limit`).
 */
import { NetworkList } from './network-list.js';

export class ConnectionCount {
  readonly #limit: number;
  readonly #exceptions: NetworkList;
  readonly #counts = new Map<string, number>();

  /** @param limit 0: none @throws TlsError `INVALID_PARAMETER` */
  constructor(limit: number, exceptions: readonly string[]) {
    this.#limit = limit;
    this.#exceptions = new NetworkList(exceptions);
  }

  /** Counts one more; the number when it is too many, else null. */
  add(address: string): number | null {
    if (this.#limit === 0) {
      return null;
    }
    const count = (this.#counts.get(address) ?? 0) + 1;
    this.#counts.set(address, count);
    return count > this.#limit && !this.#exceptions.has(address) ? count : null;
  }

  /** One is gone. */
  remove(address: string): void {
    const count = this.#counts.get(address) ?? 0;
    if (count > 1) {
      this.#counts.set(address, count - 1);
    } else {
      this.#counts.delete(address);
    }
  }
}
