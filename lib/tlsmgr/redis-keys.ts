/**
 * Ticket keys of many hosts in a Valkey or Redis: one host mints, all hear of it.
 *
 * Who has the lease mints: a key of the store that ends by itself. A new key is told by a message, and found by looking,
 * which everybody does several times in a period: a message may be lost. Everybody keeps what was known, and gives it back to
 * a store that has lost it. What is written takes the place of what was read, or else is looked at again: nobody's keys are lost, whoever
 * writes, and all come to the same ones.
 *
 * Times are those of the store's clock, which each host asks for at each look: hosts whose own clocks differ exchange their
 * keys at the same moment.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { RedisLink } from '../session-cache/redis-link.js';
import { TicketKeyMint } from './mint.js';
import { keysAlive } from './rotation.js';
import { type SealedKey, sameKeys, sealedKeyInfo, sealedKeyLength } from './sealed-key.js';
import { StoreClock } from './store-clock.js';
import { type TicketClock, ticketClock } from './ticket-keys.js';
import type { WrappingKey } from './tlsmgr.js';

export interface RedisKeysProps {
  readonly link: RedisLink;
  readonly prefix: string;
  readonly wrappingKey: WrappingKey;
  /** Milliseconds that a key makes tickets. */
  readonly period: number;
  readonly warn: (text: string) => void;
  readonly clock?: TicketClock;
}

/** Writes the keys if they are still those that were read, and tells everybody. */
const writeKeys = `
if (redis.call('get', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('publish', KEYS[1], '')
return 1`;

/** Takes the lease, or keeps it. */
const takeLease = `
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

/** There are four at most; a store that says otherwise is not believed for long. */
const mostKeys = 16;

/** Milliseconds between two looks, at most. */
const longestWait = 10_000;

/** Milliseconds by which a lease outlasts three looks, at most. */
const longestDelay = 2000;

export class RedisKeys {
  readonly #props: RedisKeysProps;
  readonly #clock: TicketClock;
  readonly #time: StoreClock;
  readonly #token = randomBytes(16).toString('hex');
  readonly #wait: number;
  readonly #lease: number;
  readonly #subscribers = new Set<(keys: readonly SealedKey[]) => void>();
  #mint: TicketKeyMint | null = null;
  #keys: readonly SealedKey[] = [];
  #turning: Promise<void> | null = null;
  #started = false;
  #again = false;
  #closed = false;
  #cancel: () => void = () => undefined;

  constructor(props: RedisKeysProps) {
    this.#props = props;
    this.#clock = props.clock ?? ticketClock;
    this.#time = new StoreClock(this.#clock);
    this.#wait = Math.min(longestWait, Math.max(Math.floor(props.period / 16), 20));
    this.#lease = 3 * this.#wait + Math.min(longestDelay, Math.floor(props.period / 4));
  }

  /** The store's time, as far as it is known. */
  now(): number {
    return this.#time.now();
  }

  subscribe(onChange: (keys: readonly SealedKey[]) => void): () => void {
    this.#subscribers.add(onChange);
    if (this.#keys.length > 0) {
      onChange(this.#keys);
    }
    this.#start();
    return () => this.#subscribers.delete(onChange);
  }

  /** Looks once more, for a key that was minted a moment ago. Does not reject. */
  async find(name: Uint8Array): Promise<SealedKey | null> {
    await this.#look();
    const text = Buffer.from(name).toString('hex');
    return this.#keys.find((sealed) => sealedKeyInfo(sealed)?.name === text) ?? null;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#subscribers.clear();
    this.#mint?.close();
  }

  #start(): void {
    if (this.#started) {
      return;
    }
    this.#started = true;
    void this.#look();
    const channel = this.#name('keys');
    this.#props.link.listen(channel, () => void this.#look()).catch(() => undefined);
  }

  /** One look at a time; who asks during one gets another after it. */
  async #look(): Promise<void> {
    if (this.#turning !== null) {
      this.#again = true;
      await this.#turning;
      return;
    }
    this.#turning = this.#turns();
    await this.#turning;
  }

  async #turns(): Promise<void> {
    do {
      this.#again = false;
      await this.#turn();
    } while (this.#again && !this.#closed);
    this.#turning = null;
  }

  async #turn(): Promise<void> {
    this.#cancel();
    if (this.#closed) {
      return;
    }
    try {
      await this.#props.link.ask((redis) => this.#refresh(redis));
    } catch {
      // the link has said so; what is known serves for its time
    }
    this.#cancel();
    if (!this.#closed) {
      this.#cancel = this.#clock.after(this.#wait, () => void this.#look());
    }
  }

  async #refresh(redis: Redis): Promise<void> {
    this.#mint ??= await TicketKeyMint.open(this.#props);
    const mint = this.#mint;
    const held = await redis.eval(takeLease, 1, this.#name('lease'), this.#token, this.#lease);
    const blob = await redis.getBuffer(this.#name('keys'));
    const turned = await this.#time.ask(redis);
    if (this.#closed) {
      mint.close(); // once more, where it was opened meanwhile
      return;
    }
    const now = this.now();
    const stored = split(blob);
    const own = mint.genuine(this.#keys);
    const { keys } = held === 1 ? mint.keys([...stored, ...own], now) : { keys: own };
    const all = keysAlive([...keys, ...stored], now)
      .slice(-mostKeys)
      .map(({ sealed }) => sealed);
    const complete = all.every((key) => stored.some((one) => sameKeys([key], [one])));
    if (complete || (await this.#write(redis, blob, all))) {
      this.#learn(all, turned);
    } else {
      this.#again = true; // somebody else has written
    }
  }

  async #write(redis: Redis, read: Buffer | null, keys: readonly SealedKey[]): Promise<boolean> {
    const life = 4 * this.#props.period;
    const name = this.#name('keys');
    return 1 === (await redis.eval(writeKeys, 1, name, read ?? '', Buffer.concat(keys), life));
  }

  /** @param turned their time is another one than before */
  #learn(keys: readonly SealedKey[], turned: boolean): void {
    if ((sameKeys(keys, this.#keys) && !turned) || this.#closed) {
      return;
    }
    this.#keys = keys;
    for (const onChange of this.#subscribers) {
      onChange(keys);
    }
  }

  #name(what: 'keys' | 'lease'): string {
    return `${this.#props.prefix}:ticket-${what}`;
  }
}

function split(blob: Buffer | null): readonly SealedKey[] {
  const keys: SealedKey[] = [];
  const end = Math.min(blob?.length ?? 0, mostKeys * sealedKeyLength);
  for (let at = 0; blob !== null && at + sealedKeyLength <= end; at += sealedKeyLength) {
    keys.push(blob.subarray(at, at + sealedKeyLength));
  }
  return keys;
}
