/**
 * Connections that have carried a message and can carry another one, for a batch of messages.
 */
import { policyKey } from './peer.js';
import type { Session, SessionProps } from './session.js';

export class SessionPool {
  #idle: Session[] = [];

  /** A connection to the same server under the same policy. */
  take(props: SessionProps): Session | null {
    const at = this.#idle.findIndex((session) => session.usable && same(session.props, props));
    return at < 0 ? null : (this.#idle.splice(at, 1)[0] ?? null);
  }

  give(session: Session): void {
    if (session.usable) {
      this.#idle.push(session);
    }
  }

  /** Ends what is left. */
  close(): void {
    for (const session of this.#idle) {
      session.quit();
    }
    this.#idle = [];
  }
}

function same(a: SessionProps, b: SessionProps): boolean {
  return (
    a.host === b.host &&
    a.address === b.address &&
    a.port === b.port &&
    !a.plaintext &&
    !b.plaintext &&
    a.requiretls?.policy === b.requiretls?.policy &&
    policyKey(a.policy) === policyKey(b.policy)
  );
}
