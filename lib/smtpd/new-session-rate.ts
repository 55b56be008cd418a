/**
 * How many new TLS sessions each client address made in the current time unit, and whether that is
 * too many (`smtpd_client_new_tls_session_rate_limit`). Resumed sessions cost little and are free.
 *
 * As Postfix's anvil(8) counts: a unit begins with a client's first session, and when it is over the
 * count begins anew.
 */
import type { ResolvedSmtpd } from '../config/options.js';
import { NetworkList } from './network-list.js';

export interface NewSessionRateProps {
  /** Sessions in a unit; 0: any number. */
  readonly limit: number;
  /** Milliseconds. */
  readonly unit: number;
  readonly exceptions: NetworkList;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

interface Unit {
  readonly begin: number;
  count: number;
}

export class NewSessionRate {
  readonly #props: NewSessionRateProps;
  readonly #now: () => number;
  readonly #units = new Map<string, Unit>();
  #swept: number;

  constructor(props: NewSessionRateProps) {
    this.#props = props;
    this.#now = props.now ?? (() => performance.now());
    this.#swept = this.#now();
  }

  /** With the limit, time unit and exceptions of these. */
  static of(options: ResolvedSmtpd): NewSessionRate {
    return new NewSessionRate({
      limit: options.clientNewTlsSessionRateLimit,
      unit: options.anvilRateTimeUnit,
      exceptions: new NetworkList(options.clientEventLimitExceptions),
    });
  }

  /** False: nothing is counted. */
  get limited(): boolean {
    return this.#props.limit > 0;
  }

  /** The client has made too many already. */
  exceeded(address: string): boolean {
    const unit = this.#units.get(address);
    return unit !== undefined && !this.#over(unit) && unit.count > this.#props.limit;
  }

  /** Counts one more; the number when it is too many, else null. */
  add(address: string): number | null {
    if (!this.limited || this.#props.exceptions.has(address)) {
      return null;
    }
    this.#sweep();
    let unit = this.#units.get(address);
    if (unit === undefined || this.#over(unit)) {
      unit = { begin: this.#now(), count: 0 };
      this.#units.set(address, unit);
    }
    unit.count++;
    return unit.count > this.#props.limit ? unit.count : null;
  }

  #over(unit: Unit): boolean {
    return this.#now() - unit.begin > this.#props.unit;
  }

  /** Once in a unit, forgets the clients whose own is over: memory is bounded by the clients of two units. */
  #sweep(): void {
    if (this.#now() - this.#swept <= this.#props.unit) {
      return;
    }
    this.#swept = this.#now();
    for (const [address, unit] of this.#units) {
      if (this.#over(unit)) {
        this.#units.delete(address);
      }
    }
  }
}
