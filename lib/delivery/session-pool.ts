/**
 * Connections for another message, as the deliveries of one batch see them: their own, and those that everybody may use
 * where the policy of the server has connection reuse.
 */
import type { ConnectionPool } from './connection-pool.js';
import { policyKey } from './peer.js';
import type { Session, SessionProps } from './session.js';
import { mustMatch } from '../tls/levels.js';

export class SessionPool {
  readonly #pool: ConnectionPool<Session>;
  /** Stands for this batch. */
  readonly #batch = {};

  constructor(pool: ConnectionPool<Session>) {
    this.#pool = pool;
  }

  /** A connection to the same server under the same policy. */
  take(props: SessionProps): Session | null {
    return this.#pool.size === 0 ? null : this.#pool.take(reuseKey(props), this.#batch);
  }

  /**
   * Whether a connection to this server is kept behind a message.
   *
   * @param more other messages of the batch follow
   */
  keeps({ plaintext, policy }: SessionProps, more: boolean): boolean {
    return !plaintext && (more || policy.connectionReuse);
  }

  /**
   * Takes a connection back, for the batch, for all, or to end it.
   *
   * @returns when other processes have it; null: there is nothing to wait for
   */
  give(session: Session, more: boolean): Promise<void> | null {
    const { props } = session;
    if (!session.usable || !this.keeps(props, more)) {
      session.quit();
    } else if (!more && session.proxied !== null) {
      return session.leave(reuseKey);
    } else if (more) {
      this.#pool.give(reuseKey(props), this.#batch, session);
    } else {
      session.rest();
      this.#pool.give(reuseKey(props), null, session);
    }
    return null;
  }

  /** Ends what is left of the batch. */
  close(): void {
    if (this.#pool.size > 0) {
      this.#pool.endBatch(this.#batch);
    }
  }
}

/**
 * Whatever must not be mixed. The next hop counts where it has been authenticated, and where we have: another one may
 * have other secrets for the same server.
 */
export function reuseKey(props: SessionProps): string {
  const { host, address, port, nexthop, policy, credentials, requiretls } = props;
  const bound = credentials !== null || mustMatch(policy.level);
  return JSON.stringify([
    ...[host, address, port, bound ? nexthop : null],
    ...[credentials?.username, credentials?.password],
    ...[requiretls?.policy],
    policyKey(policy),
  ]);
}
