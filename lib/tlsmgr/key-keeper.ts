/**
 * The ticket keys of a service: makes each when it is due, and tells who has subscribed.
 *
 * Nothing is kept on disk. A service that was started anew has its keys from those who subscribe, and who know them from the former one:
 * only when somebody comes that knows none, it makes some.
 */
import type { Logger } from '../log/logger.js';
import { TicketKeyMint } from './mint.js';
import { type SealedKey, sameKeys, sealedKeyInfo } from './sealed-key.js';
import { type TicketClock, ticketClock } from './ticket-keys.js';
import type { WrappingKey } from './tlsmgr.js';

export interface KeyKeeperProps {
  readonly wrappingKey: WrappingKey;
  /** Milliseconds that a key makes tickets. */
  readonly period: number;
  readonly logger: Logger;
  readonly clock?: TicketClock;
}

/** Milliseconds: a clock that was set anew is noticed after this. */
const longestWait = 60_000;

export class KeyKeeper {
  readonly #mint: TicketKeyMint;
  readonly #clock: TicketClock;
  readonly #logger: Logger;
  readonly #subscribers = new Set<(keys: readonly SealedKey[]) => void>();
  #keys: readonly SealedKey[] = [];
  #cancel: () => void = () => undefined;

  private constructor(mint: TicketKeyMint, { clock, logger }: KeyKeeperProps) {
    this.#mint = mint;
    this.#clock = clock ?? ticketClock;
    this.#logger = logger;
  }

  /** @throws TlsError (rejects) `WRAPPING_KEY` */
  static async open(props: KeyKeeperProps): Promise<KeyKeeper> {
    return new KeyKeeper(await TicketKeyMint.open(props), props);
  }

  /** Those that are not retired. */
  get keys(): readonly SealedKey[] {
    return this.#keys;
  }

  /** @param name 16 bytes */
  find(name: Uint8Array): SealedKey | null {
    const text = Buffer.from(name).toString('hex');
    return this.#keys.find((sealed) => sealedKeyInfo(sealed)?.name === text) ?? null;
  }

  /** The one that makes tickets now. */
  active(): SealedKey | null {
    this.#turn();
    const now = this.#clock.now();
    const begun = this.#keys.filter((sealed) => {
      const info = sealedKeyInfo(sealed);
      return info !== null && info.activeFrom <= now && info.expires > now;
    });
    return begun.at(-1) ?? null;
  }

  /** Calls at once, and at each change, until the result is called. @param known what the subscriber has; others are told */
  subscribe(
    known: readonly SealedKey[],
    onChange: (keys: readonly SealedKey[]) => void,
  ): () => void {
    this.#turn(known);
    this.#subscribers.add(onChange);
    onChange(this.#keys);
    return () => this.#subscribers.delete(onChange);
  }

  close(): void {
    this.#cancel();
    this.#subscribers.clear();
    this.#mint.close();
  }

  #turn(offered: readonly SealedKey[] = []): void {
    this.#cancel();
    const now = this.#clock.now();
    let wait = longestWait;
    try {
      const { keys, again } = this.#mint.keys([...this.#keys, ...offered], now);
      wait = Math.min(longestWait, Math.max(again - now, 1));
      this.#learn(keys);
    } catch (error) {
      this.#logger.warn(`tlsmgr: no new ticket key: ${String(error)}`);
    }
    this.#cancel = this.#clock.after(wait, () => this.#turn());
  }

  #learn(keys: readonly SealedKey[]): void {
    if (sameKeys(keys, this.#keys)) {
      return;
    }
    this.#keys = keys;
    for (const onChange of this.#subscribers) {
      onChange(this.#keys);
    }
  }
}
