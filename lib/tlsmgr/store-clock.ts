/** The clock of a Valkey or Redis, by this host's: what several hosts go by whose own clocks differ. */
import type { Redis } from 'ioredis';
import type { TicketClock } from './ticket-keys.js';

export class StoreClock {
  readonly #clock: Pick<TicketClock, 'now'>;
  #ahead = 0;

  constructor(clock: Pick<TicketClock, 'now'>) {
    this.#clock = clock;
  }

  /** Milliseconds since 1970; before it was asked, and while there is no answer, as much apart from ours as it was. */
  now(): number {
    return this.#clock.now() + this.#ahead;
  }

  /**
   * Asks. True: it is another time than before.
   *
   * When between question and answer the store has looked at its clock nobody knows: what is possible by that is left alone, so that hosts
   * with one clock have one, and that of others does not waver.
   */
  async ask(redis: Pick<Redis, 'time'>): Promise<boolean> {
    const asked = this.#clock.now();
    const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
    const answered = this.#clock.now();
    const time = seconds * 1000 + Math.floor(micros / 1000);
    const [least, most] = [time - answered, time - asked];
    if (!Number.isFinite(time) || (least <= this.#ahead && this.#ahead <= most)) {
      return false;
    }
    this.#ahead = Math.round((least + most) / 2);
    return true;
  }
}
