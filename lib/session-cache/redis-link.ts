/**
 * A connection to a Valkey or Redis that is lost and found without anybody's help, and without anybody waiting for it: while it is
 * away, requests fail at once.
 */
import { readFile } from 'node:fs/promises';
import type { Redis, RedisOptions } from 'ioredis';
import { tolerateSurplusNull } from './ioredis-surplus.js';
import type { RedisAddress } from './redis-address.js';

export interface RedisLinkProps {
  readonly address: RedisAddress;
  /** Milliseconds for a request, the connecting included; default 1000. */
  readonly patience?: number;
  /** The server has gone, or is not there: once until it is back. */
  readonly lost: (reason: string) => void;
  readonly found: () => void;
}

export class RedisLink {
  readonly #props: RedisLinkProps;
  #opening: Promise<Redis> | null = null;
  #first: Promise<void> | null = null;
  #lost = false;
  #closed = false;
  readonly #clients: Redis[] = [];

  constructor(props: RedisLinkProps) {
    this.#props = props;
  }

  /** Asks. @throws Error (rejects): there is no server, no answer in time, or a refusal */
  async ask<T>(request: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      const redis = await this.#ready();
      const result = await request(redis);
      this.#isBack();
      return result;
    } catch (error) {
      this.#isLost(error);
      throw error;
    }
  }

  /** Calls for each message of a channel, whenever there is a connection. */
  async listen(channel: string, call: () => void): Promise<void> {
    const redis = (await this.#open()).duplicate();
    this.#keep(redis);
    redis.on('error', () => undefined); // the other connection tells
    redis.on('message', call);
    redis.on('ready', () => {
      redis.subscribe(channel).catch(() => undefined); // lost again
      call(); // what was said meanwhile was not heard
    });
    redis.connect().catch(() => undefined); // it tries again
  }

  close(): void {
    this.#closed = true;
    for (const redis of this.#clients) {
      redis.disconnect();
    }
  }

  async #ready(): Promise<Redis> {
    const redis = await this.#open();
    if (isReady(redis)) {
      return redis;
    }
    this.#first ??= this.#connect(redis);
    await this.#first;
    if (!isReady(redis)) {
      throw new Error('there is no connection');
    }
    return redis;
  }

  /** Only the first time somebody waits for it. */
  async #connect(redis: Redis): Promise<void> {
    const { patience = 1000 } = this.#props;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer in ${patience} ms`)), patience);
      redis.once('ready', resolve);
      redis.once('error', reject);
      redis.once('close', () => reject(new Error('the connection ended')));
      redis.connect().catch(reject);
      redis.once('ready', () => clearTimeout(timer));
    }).catch((error: unknown) => this.#isLost(error));
  }

  #open(): Promise<Redis> {
    if (this.#closed) {
      return Promise.reject(new Error('closed'));
    }
    this.#opening ??= this.#make();
    return this.#opening;
  }

  async #make(): Promise<Redis> {
    const { Redis: Client } = await import('ioredis');
    await tolerateSurplusNull();
    const redis = new Client(await optionsOf(this.#props));
    this.#keep(redis);
    redis.on('error', (error: unknown) => this.#isLost(error));
    redis.on('close', () => this.#isLost(new Error('the connection ended')));
    return redis;
  }

  #keep(redis: Redis): void {
    this.#clients.push(redis);
    if (this.#closed) {
      redis.disconnect();
    }
  }

  #isBack(): void {
    if (this.#lost) {
      this.#lost = false;
      this.#props.found();
    }
  }

  #isLost(error: unknown): void {
    if (!this.#lost && !this.#closed) {
      this.#lost = true;
      this.#props.lost(reasonOf(error));
    }
  }
}

function isReady(redis: Redis): boolean {
  return redis.status === 'ready';
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return error.message || (error as { code?: string }).code || error.name;
}

async function optionsOf({ address, patience = 1000 }: RedisLinkProps) {
  const { hosts, master, username, password, database, caFile } = address;
  const [first] = hosts;
  const tls = address.tls ? { tls: caFile === null ? {} : { ca: await readFile(caFile) } } : {};
  const where =
    master === null
      ? { host: first?.host ?? '', port: first?.port ?? 0 }
      : { sentinels: [...hosts], name: master };
  return {
    ...where,
    ...tls,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    db: database,
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: patience,
    commandTimeout: patience,
    retryStrategy: backoff,
    sentinelRetryStrategy: backoff,
    // What a former master answers after a failover.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
}

/** Milliseconds before attempt number `times`. */
function backoff(times: number): number {
  return Math.min(100 * 2 ** Math.min(times - 1, 10), 2000);
}
