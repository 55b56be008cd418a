/**
 * Who makes the ticket keys of many processes: a service, or the one host that has the lease of a store.
 *
 * Only at a time one may be at it; what it makes is sealed, and the process that has it need not take part in TLS.
 */
import { addon } from '../addon.js';
import { ensureLibrary } from '../tls/library.js';
import type { NativeTicketRing } from '../native.js';
import { keysAlive, keysToMake, nextChange } from './rotation.js';
import type { SealedKey } from './sealed-key.js';
import { resolveWrappingKey } from './ticket-keys.js';
import type { WrappingKey } from './tlsmgr.js';

export interface TicketKeyMintProps {
  readonly wrappingKey: WrappingKey;
  /** Milliseconds that a key makes tickets: half of `smtpd_tls_session_cache_timeout`, see `ticketKeyPeriod`. */
  readonly period: number;
}

/** What is to be stored and told to everybody. */
export interface MintedKeys {
  /** All that are not retired, the oldest first. */
  readonly keys: readonly SealedKey[];
  /** These are other keys than those that were given. */
  readonly changed: boolean;
  /** The next time, in milliseconds since 1970, at which there is something to do. */
  readonly again: number;
}

export class TicketKeyMint {
  readonly #ring: NativeTicketRing;
  readonly #period: number;

  private constructor(ring: NativeTicketRing, period: number) {
    this.#ring = ring;
    this.#period = period;
  }

  /** @throws TlsError (rejects) `WRAPPING_KEY` */
  static async open(props: TicketKeyMintProps): Promise<TicketKeyMint> {
    ensureLibrary();
    const wrappingKey = await resolveWrappingKey(props.wrappingKey);
    opened += 1;
    return new TicketKeyMint(
      addon.openTicketRing(`mint ${process.pid}.${opened}`, wrappingKey),
      props.period,
    );
  }

  /**
   * The keys that there are to be at `now`: those of `stored` that are sealed by our wrapping key and not retired, and new
   * ones where one is due. Other bytes are dropped.
   */
  keys(stored: readonly SealedKey[], now: number): MintedKeys {
    const genuine = this.genuine(stored);
    const known = keysAlive(genuine, now);
    const made = keysToMake(known, now, this.#period).map(({ activeFrom, expires }) =>
      this.#ring.mint(activeFrom, expires),
    );
    const all = keysAlive([...genuine, ...made], now);
    return {
      keys: all.map(({ sealed }) => sealed),
      changed: made.length > 0 || all.length !== stored.length,
      again: nextChange(all, now),
    };
  }

  /** Those that are sealed by our wrapping key. */
  genuine(stored: readonly SealedKey[]): readonly SealedKey[] {
    return stored.filter((sealed) => sealed instanceof Uint8Array && this.#ring.opens(sealed));
  }

  /** Forgets the wrapping key. Idempotent. */
  close(): void {
    this.#ring.close();
  }
}

/** Rings are told apart by name; workers of a process have this counter each. */
let opened = 0;
