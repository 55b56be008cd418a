/**
 * What all deliveries of one Smtp share of connections: how many there may be, and those that wait for the next message.
 */
import type { ResolvedSmtp } from '../config/options.js';
import { TlsError } from '../errors.js';
import { ConnectionPool } from './connection-pool.js';
import { DeliverySlots } from './delivery-slots.js';
import type { Nexthop } from './nexthop.js';
import type { Session } from './session.js';

export interface ConnectionsProps {
  readonly options: ResolvedSmtp;
  /** Connections at a time, those that wait among them; 0: no limit. */
  readonly limit: number;
}

export class Connections {
  readonly pool: ConnectionPool<Session>;
  readonly #slots: DeliverySlots;
  readonly #limit: number;
  #closed = false;
  #idle: (() => void) | null = null;

  /** @throws TlsError `INVALID_PARAMETER` */
  constructor({ options, limit }: ConnectionsProps) {
    checkLimit('connectionLimit', limit);
    this.#limit = limit === 0 ? Number.POSITIVE_INFINITY : limit;
    this.#slots = new DeliverySlots({
      total: limit,
      perDestination: options.destinationConcurrencyLimit,
    });
    this.pool = new ConnectionPool({
      idleLimit: options.connectionCacheTimeLimit,
      ageLimit: options.connectionReuseTimeLimit,
      reuseLimit: options.connectionReuseCountLimit,
    });
  }

  /** Runs a delivery when there is a place for it: not more than so many in all and to one destination at a time. */
  async run<Result>(nexthops: readonly Nexthop[], deliver: () => Promise<Result>): Promise<Result> {
    const destination = nexthops.map(({ text }) => text.toLowerCase()).join(' ');
    const place = this.#slots.enter(destination);
    if (place !== null) {
      await place;
    }
    this.pool.trim(this.#limit - this.#slots.running);
    try {
      return await deliver();
    } finally {
      this.#slots.leave(destination);
      if (this.#slots.running === 0) {
        this.#idle?.();
      }
    }
  }

  /** @throws TlsError `INVALID_STATE` after {@link close} */
  requireOpen(): void {
    if (this.#closed) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'the Smtp is closed' });
    }
  }

  /** No further delivery; resolves when those that run or wait are through and the connections that wait are ended. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#slots.running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.pool.trim(0);
  }
}

/** @throws TlsError `INVALID_PARAMETER` */
export function checkLimit(option: string, limit: number): number {
  if (!Number.isInteger(limit) || limit < 0) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `${option} is ${limit}`,
      suggestion: 'give a whole number, 0 for no limit',
    });
  }
  return limit;
}
