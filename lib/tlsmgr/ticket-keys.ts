/**
 * The ticket keys of one process: a native ring, supplied by a {@link TicketKeySource}, or, where there is none, by itself.
 *
 * What is in use when is decided here, by the clock and the times of the keys (`rotation.ts`); several of these, in one
 * thread or in many, may supply one ring. A failure is a warning, once until things are well again: tickets that cannot be
 * made or taken are full handshakes.
 */
import { addon } from '../addon.js';
import type { QuestionHandler } from '../dispatch.js';
import { TlsError } from '../errors.js';
import type { NativeTicketRing } from '../native.js';
import { cacheTimeout } from '../session-cache/store.js';
import { type KnownKey, keysAlive, keysToMake, nextChange, roles } from './rotation.js';
import { type SealedKey, sealedKeyInfo } from './sealed-key.js';
import type { TicketKeySource, WrappingKey } from './tlsmgr.js';

export interface TicketClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls once, without keeping the process alive; returns what prevents it. */
  after(ms: number, call: () => void): () => void;
}

export const ticketClock: TicketClock = {
  now: () => Date.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms).unref();
    return () => clearTimeout(timer);
  },
};

export interface TicketKeysProps {
  /** Milliseconds that a key of our own makes tickets; without a source. */
  readonly period: number;
  /** Null: the keys are our own, and those of all in this process with the same period. */
  readonly source: TicketKeySource | null;
  readonly warn: (text: string) => void;
  readonly clock?: TicketClock;
}

/** Milliseconds: a clock that was set anew, or a machine that slept, is noticed after this. */
const longestWait = 60_000;

/** Milliseconds after which what failed is tried again. */
const retryWait = 10_000;

/** Milliseconds that a client waits for the answer about its ticket. */
export const answerWait = 1000;

export class TicketKeys {
  /** For contexts. */
  readonly ring: NativeTicketRing;
  /** Answers the question `ticket-key`; null: there is nobody who might know more. */
  readonly ask: QuestionHandler | null;
  readonly #source: TicketKeySource | null;
  readonly #period: number;
  readonly #warn: (text: string) => void;
  readonly #clock: TicketClock;
  #supplied: readonly SealedKey[] = [];
  readonly #found = new Map<string, SealedKey>();
  readonly #asking = new Map<string, Promise<void>>();
  #troubled = false;
  #closed = false;
  #cancel: () => void = () => undefined;
  #unsubscribe: () => void = () => undefined;

  /**
   * @param wrappingKey of the source, from {@link resolveWrappingKey}; null without one
   * @throws TlsError `WRAPPING_KEY`
   */
  constructor(props: TicketKeysProps, wrappingKey: Uint8Array | string | null = null) {
    const { source } = props;
    this.#source = source;
    this.#period = props.period;
    this.#warn = props.warn;
    this.#clock = props.clock ?? ticketClock;
    const name = source === null ? `own, ${props.period} ms` : `shared, ${source.name}`;
    this.ring = addon.openTicketRing(name, wrappingKey);
    this.ask =
      source === null ? null : (_, name, answer) => this.#ask(source, Buffer.from(name), answer);
    this.#turn();
    this.#unsubscribe = source?.subscribe((keys) => this.#supply(keys)) ?? this.#unsubscribe;
  }

  /** The last one in the process to close takes the keys out of use. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#unsubscribe();
    this.ring.close();
  }

  #supply(keys: readonly SealedKey[]): void {
    if (this.#closed) {
      return;
    }
    this.#supplied = keys.filter((sealed) => this.#genuine(sealed));
    if (this.#supplied.length === keys.length) {
      this.#troubled = false;
    } else {
      this.#trouble('a key was altered, or sealed by another wrapping key');
    }
    this.#turn();
  }

  #genuine(sealed: SealedKey): boolean {
    return sealedKeyInfo(sealed) !== null && this.ring.opens(sealed);
  }

  /** What is due now, and a look at the clock when something is next. */
  #turn(): void {
    this.#cancel();
    const now = this.#source?.now?.() ?? this.#clock.now();
    let wait = longestWait;
    try {
      const keys = this.#install(now);
      wait = Math.min(longestWait, Math.max(nextChange(keys, now) - now, 1));
    } catch (error) {
      this.#trouble(error instanceof TlsError ? error.message : String(error));
      wait = retryWait;
    }
    this.#cancel = this.#clock.after(wait, () => this.#turn());
  }

  /** Another thread may be at it, too: then what it has left is looked at again. */
  #install(now: number): readonly KnownKey[] {
    for (;;) {
      const { generation, sealed } = this.ring.keys();
      const keys = this.#source === null ? this.#withOwn(sealed, now) : this.#withFound(now);
      const { next, active, previous, former } = roles(keys, now);
      const four = [next, active, previous, former].map((key) => key?.sealed ?? null);
      const [a = null, b = null, c = null, d = null] = four;
      if (this.ring.install(a, b, c, d, generation)) {
        return keys;
      }
    }
  }

  #withOwn(inUse: readonly SealedKey[], now: number): readonly KnownKey[] {
    const known = keysAlive(inUse, now);
    const made = keysToMake(known, now, this.#period).map(({ activeFrom, expires }) =>
      this.ring.mint(activeFrom, expires),
    );
    return made.length === 0 ? known : keysAlive([...inUse, ...made], now);
  }

  #withFound(now: number): readonly KnownKey[] {
    const known = keysAlive([...this.#supplied, ...this.#found.values()], now);
    const names = new Set(known.map(({ name }) => name));
    for (const name of this.#found.keys()) {
      if (!names.has(name)) {
        this.#found.delete(name);
      }
    }
    return known;
  }

  /** A client's ticket names a key that the ring does not have. Whatever comes of it, its handshake goes on. */
  #ask(source: TicketKeySource, name: Buffer, answer: (value: null) => void): void {
    const key = name.toString('hex');
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#find(source, name).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    void asking.then(() => answer(null));
  }

  /** Does not reject. */
  async #find(source: TicketKeySource, name: Buffer): Promise<void> {
    try {
      const sealed = await this.#inTime(source.find(name));
      if (sealed === null || this.#closed) {
        return;
      }
      this.#troubled = false;
      if (sealedKeyInfo(sealed)?.name === name.toString('hex') && this.#genuine(sealed)) {
        this.#found.set(name.toString('hex'), sealed);
        this.#turn();
      }
    } catch (error) {
      this.#trouble(error instanceof Error ? error.message : String(error));
    }
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(answerWait, () =>
        reject(new Error(`no answer within ${answerWait} ms`)),
      );
      answer.then(resolve, reject).finally(cancel);
    });
  }

  #trouble(what: string): void {
    if (!this.#troubled && !this.#closed) {
      this.#troubled = true;
      this.#warn(`ticket keys: ${what}; clients without a known ticket get full handshakes`);
    }
  }
}

/** Half of the session timeout, as Postfix bounds it: 60 seconds at least. Both in milliseconds. */
export function ticketKeyPeriod(sessionCacheTimeout: number): number {
  return cacheTimeout(Math.ceil(sessionCacheTimeout / 1000)) * 500;
}

/** What `openTicketRing` wants: a file is read in native code alone. @throws TlsError (rejects) `WRAPPING_KEY` */
export async function resolveWrappingKey(key: WrappingKey): Promise<Uint8Array | string> {
  const value = typeof key === 'function' ? await callFor(key) : key;
  if (value instanceof Uint8Array) {
    if (value.length !== wrappingKeyLength) {
      throw new TlsError({
        code: 'WRAPPING_KEY',
        message: `the wrapping key has ${value.length} bytes`,
        suggestion: `make one of ${wrappingKeyLength}: openssl rand ${wrappingKeyLength} > FILE`,
      });
    }
    return value;
  }
  return value.file;
}

const wrappingKeyLength = 32;

async function callFor(get: () => Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await get();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TlsError({ code: 'WRAPPING_KEY', message: `no wrapping key: ${why}`, cause: error });
  }
}
