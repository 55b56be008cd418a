/**
 * What is known of domains in this process; the one that was not asked for longest is forgotten when there are too many.
 */
import type { StsFailure } from './fetch.js';
import type { StsId } from './record.js';
import type { StoredPolicy } from './store.js';

export interface DomainState {
  readonly domain: string;
  /** The store was asked. */
  loaded: Promise<void> | null;
  policy: StoredPolicy | null;
  usedAt: number;
  discovery: Promise<StsId | null> | null;
  discoverAgainAt: number;
  /** The last fetch's. */
  failure: StsFailure | null;
  fetching: Promise<StsFailure | null> | null;
  fetchAgainAt: number;
}

export class DomainStates {
  readonly #states = new Map<string, DomainState>();
  readonly #limit: number;

  constructor(limit = 5000) {
    this.#limit = limit;
  }

  [Symbol.iterator](): IterableIterator<DomainState> {
    return this.#states.values();
  }

  get(domain: string): DomainState {
    const state = this.#states.get(domain) ?? newState(domain);
    this.#states.delete(domain);
    this.#states.set(domain, state);
    for (const [oldest] of this.#states) {
      if (this.#states.size <= this.#limit) {
        break;
      }
      this.#states.delete(oldest);
    }
    return state;
  }
}

function newState(domain: string): DomainState {
  return {
    ...{ domain, loaded: null, policy: null, usedAt: 0 },
    ...{ discovery: null, discoverAgainAt: 0 },
    ...{ failure: null, fetching: null, fetchAgainAt: 0 },
  };
}
