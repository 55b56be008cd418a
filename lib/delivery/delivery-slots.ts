/**
 * How many deliveries run at a time: in all, and to one destination. The others wait, those of a destination in order,
 * destinations in turn, so that a large one holds nobody else up. What waits costs a function and a place in a list.
 */

export interface DeliverySlotsProps {
  /** 0: no limit. */
  readonly total: number;
  /** `smtp_destination_concurrency_limit`; 0: no limit. */
  readonly perDestination: number;
}

interface Destination {
  running: number;
  /** In order of arrival. */
  readonly waiting: Set<() => void>;
}

export class DeliverySlots {
  readonly #total: number;
  readonly #perDestination: number;
  readonly #destinations = new Map<string, Destination>();
  /** Those that wait for a place among all, not among their own; the next one first. */
  readonly #turns = new Set<Destination>();
  #running = 0;

  constructor({ total, perDestination }: DeliverySlotsProps) {
    this.#total = total === 0 ? Number.POSITIVE_INFINITY : total;
    this.#perDestination = perDestination === 0 ? Number.POSITIVE_INFINITY : perDestination;
  }

  get running(): number {
    return this.#running;
  }

  /** Destinations with deliveries that run or wait. */
  get destinations(): number {
    return this.#destinations.size;
  }

  /** Takes a place, now (null) or when the promise resolves; {@link leave} gives it back. */
  enter(name: string): Promise<void> | null {
    const destination = this.#destination(name);
    if (this.#mayRun(destination) && destination.waiting.size === 0) {
      this.#run(destination);
      return null;
    }
    return new Promise((resolve) => {
      destination.waiting.add(resolve);
      this.#queue(destination);
    });
  }

  leave(name: string): void {
    const destination = this.#destination(name);
    destination.running--;
    this.#running--;
    if (destination.running === 0 && destination.waiting.size === 0) {
      this.#destinations.delete(name);
    }
    this.#queue(destination);
    this.#next();
  }

  #destination(name: string): Destination {
    let destination = this.#destinations.get(name);
    if (destination === undefined) {
      destination = { running: 0, waiting: new Set() };
      this.#destinations.set(name, destination);
    }
    return destination;
  }

  #mayRun({ running }: Destination): boolean {
    return this.#running < this.#total && running < this.#perDestination;
  }

  #run(destination: Destination): void {
    destination.running++;
    this.#running++;
  }

  /** Behind the others, if it has something to run and may. */
  #queue(destination: Destination): void {
    if (destination.waiting.size > 0 && destination.running < this.#perDestination) {
      this.#turns.add(destination);
    }
  }

  #next(): void {
    for (const destination of this.#turns) {
      if (this.#running >= this.#total) {
        return;
      }
      this.#turns.delete(destination);
      const [wake] = destination.waiting;
      if (wake !== undefined) {
        destination.waiting.delete(wake);
        this.#run(destination);
        this.#queue(destination);
        wake();
      }
    }
  }
}
