/**
 * A {@link Tlsmgr} in the process itself: session caches of several `Smtpd` and `Smtp`. Ticket keys need none, they are the
 * process's own anyway.
 */
import { randomBytes } from 'node:crypto';
import { TlsError } from '../errors.js';
import { engineLogger, type Logger } from '../log/logger.js';
import { GuardedStore } from '../session-cache/guarded-store.js';
import type { SessionStore } from '../session-cache/store.js';
import { type CacheProps, openCaches, refuseSharedDatabase } from './caches.js';
import type { ServiceCache } from './requests.js';
import type { CachePolicy, CacheType, Tlsmgr, TlsmgrRequests } from './tlsmgr.js';

export interface LocalTlsmgrProps {
  /** Sessions of servers; default: in memory, for an hour. */
  readonly smtpd?: CacheProps;
  /** Sessions with servers; default: in memory, for an hour. */
  readonly smtp?: CacheProps;
  /** Default: standard error. */
  readonly logger?: Logger;
}

const usual: CacheProps = { database: 'memory:', timeout: 3600 };
const largestSeed = 255;

export class LocalTlsmgr implements Tlsmgr, TlsmgrRequests {
  readonly ticketKeys = null;
  readonly #caches: Readonly<Record<CacheType, ServiceCache>>;
  readonly #stores: Readonly<Record<CacheType, SessionStore | null>>;

  /** @throws TlsError `INVALID_PARAMETER`: no database, or one for both */
  constructor({ smtpd = usual, smtp = usual, logger: given }: LocalTlsmgrProps = {}) {
    const logger = engineLogger(given, 'tlsmgr');
    refuseSharedDatabase({ smtpd, smtp, logger });
    this.#caches = openCaches({ smtpd, smtp, logger });
    const storeOf = (type: CacheType, name: string): SessionStore | null => {
      const { store } = this.#caches[type];
      return store === null ? null : ownedElsewhere(new GuardedStore({ store, name, logger }));
    };
    this.#stores = {
      smtpd: storeOf('smtpd', smtpd.database),
      smtp: storeOf('smtp', smtp.database),
    };
  }

  sessions(type: CacheType): SessionStore | null {
    return this.#stores[type];
  }

  async seed(size: number): Promise<Uint8Array> {
    if (!Number.isInteger(size) || size < 1 || size > largestSeed) {
      throw new TlsError({
        code: 'INVALID_ARGUMENT',
        message: `bogus seed length: ${size}`,
        suggestion: `ask for 1 to ${largestSeed} bytes`,
      });
    }
    return randomBytes(size);
  }

  async policy(type: CacheType): Promise<CachePolicy> {
    const { store, timeout } = this.#caches[type];
    return { cachable: store !== null, timeout };
  }

  async close(): Promise<void> {
    const { smtpd, smtp } = this.#caches;
    await Promise.all([smtpd.store?.close(), smtp.store?.close()]);
  }
}

/** Who uses a store must not close it for the others. */
function ownedElsewhere(store: SessionStore): SessionStore {
  return {
    lookup: (id) => store.lookup(id),
    update: (id, session) => store.update(id, session),
    delete: (id) => store.delete(id),
    close: async () => undefined,
  };
}
