/** A clock that a test turns, and a source of ticket keys that a test fills. */
import { addon } from '../../lib/addon.js';
import type { NativeTicketRing } from '../../lib/native.js';
import { ensureLibrary } from '../../lib/tls/library.js';
import type { SealedKey } from '../../lib/tlsmgr/sealed-key.js';
import type { TicketClock } from '../../lib/tlsmgr/ticket-keys.js';
import type { TicketKeySource, Tlsmgr } from '../../lib/tlsmgr/tlsmgr.js';

/** Calls happen when `pass` has gone by their time, in order. */
export class TurnedClock implements TicketClock {
  #now: number;
  #calls: { readonly at: number; readonly call: () => void }[] = [];

  constructor(now = Date.now()) {
    this.#now = now;
  }

  /** Calls that are waited for. */
  get waiting(): number {
    return this.#calls.length;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const entry = { at: this.#now + ms, call };
    this.#calls.push(entry);
    return () => {
      this.#calls = this.#calls.filter((one) => one !== entry);
    };
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [due] = this.#calls.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (due === undefined) {
        break;
      }
      this.#now = due.at;
      this.#calls = this.#calls.filter((one) => one !== due);
      due.call();
    }
    this.#now = end;
  }
}

let sources = 0;

/** Keys as a service for many processes has them: sealed, and told to those who subscribe. */
export class FilledSource implements TicketKeySource {
  readonly name: string;
  readonly wrappingKey: Uint8Array;
  /** What was asked for, in hex. */
  readonly asked: string[] = [];
  /** Answers; what it throws is what the service fails with. */
  answer: (name: string) => Promise<SealedKey | null> = async () => null;
  readonly #ring: NativeTicketRing;
  readonly #listeners = new Set<(keys: readonly SealedKey[]) => void>();
  #keys: readonly SealedKey[] = [];

  constructor(secret = `source ${sources}`) {
    ensureLibrary();
    sources += 1;
    this.name = `source ${sources}`;
    this.wrappingKey = Buffer.alloc(32, secret);
    this.#ring = addon.openTicketRing(`of ${this.name}`, this.wrappingKey);
  }

  get subscribers(): number {
    return this.#listeners.size;
  }

  mint(activeFrom: number, expires: number): Buffer {
    return this.#ring.mint(activeFrom, expires);
  }

  tell(...keys: readonly SealedKey[]): void {
    this.#keys = keys;
    for (const listener of this.#listeners) {
      listener(keys);
    }
  }

  subscribe(onChange: (keys: readonly SealedKey[]) => void): () => void {
    this.#listeners.add(onChange);
    if (this.#keys.length > 0) {
      onChange(this.#keys);
    }
    return () => this.#listeners.delete(onChange);
  }

  find(name: Uint8Array): Promise<SealedKey | null> {
    const hex = Buffer.from(name).toString('hex');
    this.asked.push(hex);
    return this.answer(hex);
  }
}

/** A tlsmgr with these keys and nothing else. */
export function tlsmgrOf(ticketKeys: TicketKeySource | null): Tlsmgr {
  return { ticketKeys, sessions: () => null, close: async () => undefined };
}
