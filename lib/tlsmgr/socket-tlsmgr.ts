/** A {@link Tlsmgr} that is another process of this host: the service on a UNIX socket (`mxtls tlsmgr`). */
import { engineLogger, type Logger } from '../log/logger.js';
import type { SessionStore } from '../session-cache/store.js';
import { Refused, TlsmgrClient } from './client.js';
import type { RequestName } from './protocol.js';
import { keysAlive } from './rotation.js';
import type { SealedKey } from './sealed-key.js';
import type {
  CachePolicy,
  CacheType,
  TicketKeySource,
  Tlsmgr,
  TlsmgrRequests,
  WrappingKey,
} from './tlsmgr.js';

export interface SocketTlsmgrProps {
  /** Of the service's UNIX socket. */
  readonly path: string;
  /** The service's own. Without it each process makes its own ticket keys. */
  readonly wrappingKey?: WrappingKey;
  /** Default: standard error. */
  readonly logger?: Logger;
  /** Milliseconds that a request may take; default 1000. */
  readonly patience?: number;
  /** Milliseconds before the first new attempt to connect, and at most; default 100 and 5000. */
  readonly backoff?: readonly [first: number, most: number];
}

/** Milliseconds in which a service that has no such cache is not asked again. */
const refusalPause = 60_000;

export class SocketTlsmgr implements Tlsmgr, TlsmgrRequests {
  readonly ticketKeys: TicketKeySource | null;
  readonly #client: TlsmgrClient;
  readonly #stores: Readonly<Record<CacheType, SessionStore>>;
  readonly #subscribers = new Set<(keys: readonly SealedKey[]) => void>();
  #keys: readonly SealedKey[] | null = null;

  constructor(props: SocketTlsmgrProps) {
    const { path, wrappingKey, patience, backoff } = props;
    this.#client = new TlsmgrClient({
      path,
      logger: engineLogger(props.logger, 'tlsmgr'),
      ...(patience === undefined ? {} : { patience }),
      ...(backoff === undefined ? {} : { backoff }),
      ...(wrappingKey === undefined ? {} : this.#exchange()),
    });
    this.#stores = { smtpd: this.#storeOf('smtpd'), smtp: this.#storeOf('smtp') };
    this.ticketKeys = wrappingKey === undefined ? null : this.#sourceWith(path, wrappingKey);
  }

  sessions(type: CacheType): SessionStore {
    return this.#stores[type];
  }

  async close(): Promise<void> {
    this.#client.close();
    this.#subscribers.clear();
  }

  /** Random bytes of the service, 1 to 255. @throws Error (rejects): it does not answer, or refuses the length */
  async seed(size: number): Promise<Uint8Array> {
    const field = Buffer.alloc(4);
    field.writeUInt32BE(Number.isInteger(size) && size >= 0 && size <= 0xffffffff ? size : 0);
    const [bytes] = (await this.#client.ask('seed', [field])) ?? [];
    if (bytes?.length !== size) {
      throw new Error('tlsmgr gives no seed');
    }
    return bytes;
  }

  /** What the service has for a cache of this type. @throws Error (rejects): it does not answer */
  async policy(type: CacheType): Promise<CachePolicy> {
    const reply = await this.#client.ask('policy', [Buffer.from(type)]);
    const [cachable, timeout] = reply ?? [];
    if (cachable?.length !== 1 || timeout?.length !== 4) {
      throw new Error('tlsmgr gives no policy');
    }
    return { cachable: cachable[0] === 1, timeout: timeout.readUInt32BE() };
  }

  #storeOf(type: CacheType): SessionStore {
    const ask = this.#asking(type);
    return {
      lookup: async (id) => (await ask('lookup', [Buffer.from(id)]))?.[0] ?? null,
      update: async (id, session) => {
        await ask('update', [Buffer.from(id), session]);
      },
      delete: async (id) => {
        await ask('delete', [Buffer.from(id)]);
      },
      close: async () => undefined, // the connection is the Tlsmgr's
    };
  }

  /** Null for whatever goes wrong, which the client has told of; a service without this cache is left alone for a while. */
  #asking(type: CacheType) {
    let notBefore = 0;
    return async (name: RequestName, fields: readonly Uint8Array[]) => {
      if (performance.now() < notBefore) {
        return null;
      }
      try {
        return await this.#client.ask(name, [Buffer.from(type), ...fields]);
      } catch (error) {
        notBefore = error instanceof Refused ? performance.now() + refusalPause : 0;
        return null;
      }
    };
  }

  #sourceWith(path: string, wrappingKey: WrappingKey): TicketKeySource {
    return {
      name: `unix:${path}`,
      wrappingKey,
      subscribe: (onChange) => {
        this.#subscribers.add(onChange);
        if (this.#keys !== null) {
          onChange(this.#keys);
        }
        this.#client.start();
        return () => this.#subscribers.delete(onChange);
      },
      find: async (name) => {
        const found = await this.#client.ask('tktkey', [name]).catch(() => null);
        return found?.[0] ?? null;
      },
    };
  }

  #exchange() {
    return {
      onTicketKeys: (keys: readonly SealedKey[]) => this.#supply(keys),
      knownTicketKeys: () => keysAlive(this.#keys ?? [], Date.now()).map(({ sealed }) => sealed),
    };
  }

  #supply(keys: readonly SealedKey[]): void {
    this.#keys = keys;
    for (const onChange of this.#subscribers) {
      onChange(keys);
    }
  }
}
