/**
 * Ticket keys of many hosts in a Valkey or Redis: one host mints, all hear of it.
 *
 * Who has the lease mints: a key of the store that ends by itself, and is written only by who holds it. A new key is told
 * by a message, and found by looking, which everybody does several times in a period: a message may be lost. Everybody
 * keeps what was known: a store that lost its last writes in a failover gets them back from whoever mints next.
 *
 * Times are the minter's clock; each host goes by its own. A key is known half a period before its first use, so that clocks may
 * be apart by as much.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { RedisLink } from '../session-cache/redis-link.js';
import { TicketKeyMint } from './mint.js';
import { keysAlive } from './rotation.js';
import { type SealedKey, sealedKeyInfo, sealedKeyLength } from './sealed-key.js';
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

/** Writes the keys if the lease is ours, and tells everybody. */
const writeKeys = `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('publish', KEYS[2], '')
return 1`;

/** Takes the lease, or keeps it. */
const takeLease = `
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

/** There are three; a store that says otherwise is not believed for long. */
const mostKeys = 16;

/** Milliseconds between two looks, at most. */
const longestWait = 10_000;

export class RedisKeys {
  readonly #props: RedisKeysProps;
  readonly #clock: TicketClock;
  readonly #token = randomBytes(16).toString('hex');
  readonly #wait: number;
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
    this.#wait = Math.min(longestWait, Math.max(Math.floor(props.period / 16), 20));
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
    const stored = split(await redis.getBuffer(this.#name('keys')));
    const now = this.#clock.now();
    const alive = keysAlive([...stored, ...this.#keys], now);
    const known = alive.map(({ sealed }) => sealed).slice(0, mostKeys);
    const minted = await this.#mintIfOurs(redis, known, stored.length);
    this.#learn(minted ?? known);
  }

  /** Null: somebody else mints. */
  async #mintIfOurs(
    redis: Redis,
    known: readonly SealedKey[],
    stored: number,
  ): Promise<readonly SealedKey[] | null> {
    const lease = this.#name('lease');
    const held = await redis.eval(takeLease, 1, lease, this.#token, 3 * this.#wait + 2000);
    if (held !== 1 || this.#closed) {
      return null;
    }
    this.#mint ??= await TicketKeyMint.open(this.#props);
    const { keys, changed } = this.#mint.keys(known, this.#clock.now());
    if (!changed && keys.length === stored) {
      return keys;
    }
    const life = 4 * this.#props.period;
    const blob = Buffer.concat(keys);
    const names = [lease, this.#name('keys')];
    const written = await redis.eval(writeKeys, 2, ...names, this.#token, blob, life);
    return written === 1 ? keys : null;
  }

  #learn(keys: readonly SealedKey[]): void {
    const same =
      keys.length === this.#keys.length && keys.every((key, i) => equal(key, this.#keys[i]));
    if (same || this.#closed) {
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

function equal(a: SealedKey, b: SealedKey | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}
