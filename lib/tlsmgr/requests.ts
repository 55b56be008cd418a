/** The requests of Postfix's tlsmgr(8), answered. Stores never make one fail worse than "there is none". */
import { randomBytes } from 'node:crypto';
import type { SessionStore } from '../session-cache/store.js';
import type { KeyKeeper } from './key-keeper.js';
import { type Message, requests, status } from './protocol.js';
import type { CacheType } from './tlsmgr.js';

export interface ServiceCache {
  /** Null: there is no database. */
  readonly store: SessionStore | null;
  /** Seconds, sanitised. */
  readonly timeout: number;
}

export interface RequestsProps {
  readonly caches: Readonly<Record<CacheType, ServiceCache>>;
  readonly keys: KeyKeeper | null;
  readonly warn: (text: string) => void;
}

export interface Reply {
  readonly code: number;
  readonly fields: readonly Uint8Array[];
}

const ok: Reply = { code: status.ok, fields: [] };
const none: Reply = { code: status.fail, fields: [] };
const wrong: Reply = { code: status.error, fields: [] };

const most = 255;

export class Requests {
  readonly #props: RequestsProps;

  constructor(props: RequestsProps) {
    this.#props = props;
  }

  isSubscription({ code }: Message): boolean {
    return code === requests.subscribe;
  }

  /** Does not reject. */
  async answer({ code, fields }: Message): Promise<Reply> {
    try {
      return await this.#answer(code, fields);
    } catch (error) {
      this.#props.warn(`tlsmgr: ${error instanceof Error ? error.message : String(error)}`);
      return wrong;
    }
  }

  async close(): Promise<void> {
    const { smtpd, smtp } = this.#props.caches;
    await Promise.all([smtpd.store?.close(), smtp.store?.close()]);
  }

  async #answer(code: number, fields: readonly Buffer[]): Promise<Reply> {
    switch (code) {
      case requests.seed:
        return this.#seed(fields);
      case requests.policy:
        return this.#policy(fields);
      case requests.lookup:
      case requests.update:
      case requests.delete:
        return await this.#session(code, fields);
      case requests.tktkey:
        return this.#ticketKey(fields);
      case requests.subscribe:
        return this.#props.keys === null ? none : ok;
      default:
        return this.#refuse(`unknown request ${code}`);
    }
  }

  #seed(fields: readonly Buffer[]): Reply {
    const [size] = fields;
    if (fields.length !== 1 || size?.length !== 4) {
      return this.#refuse('bogus seed request');
    }
    const length = size.readUInt32BE();
    return length < 1 || length > most
      ? this.#refuse(`bogus seed length: ${length}`)
      : { code: status.ok, fields: [randomBytes(length)] };
  }

  #policy(fields: readonly Buffer[]): Reply {
    const cache = this.#cacheOf(fields[0]);
    if (cache === null || fields.length !== 1) {
      return wrong;
    }
    const timeout = Buffer.alloc(4);
    timeout.writeUInt32BE(cache.timeout);
    return { code: status.ok, fields: [Buffer.of(cache.store === null ? 0 : 1), timeout] };
  }

  async #session(code: number, [type, id, session, ...rest]: readonly Buffer[]): Promise<Reply> {
    const store = this.#cacheOf(type)?.store;
    const expected = code === requests.update;
    if (!store || id === undefined || rest.length > 0 || (session !== undefined) !== expected) {
      return wrong;
    }
    const key = id.toString('latin1');
    if (code === requests.lookup) {
      const found = await store.lookup(key);
      return found === null ? none : { code: status.ok, fields: [found] };
    }
    await (session === undefined ? store.delete(key) : store.update(key, session));
    return ok;
  }

  #ticketKey(fields: readonly Buffer[]): Reply {
    const [name] = fields;
    const { keys } = this.#props;
    if (fields.length !== 1 || name === undefined || ![0, 16].includes(name.length)) {
      return this.#refuse(`invalid session ticket key name length: ${name?.length ?? 0}`);
    }
    const found = name.length === 0 ? keys?.active() : keys?.find(name);
    return found ? { code: status.ok, fields: [found] } : none;
  }

  #cacheOf(type: Buffer | undefined): ServiceCache | null {
    const name = type?.toString('latin1') ?? '';
    if (name !== 'smtpd' && name !== 'smtp') {
      this.#props.warn(`tlsmgr: bogus cache type: ${name.slice(0, 30)}`);
      return null;
    }
    return this.#props.caches[name];
  }

  #refuse(what: string): Reply {
    this.#props.warn(`tlsmgr: ${what}`);
    return wrong;
  }
}
