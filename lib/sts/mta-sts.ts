/**
 * MTA-STS (RFC 8461) for a sender: the policy of a recipient domain, discovered, fetched, kept and refreshed.
 *
 * ```ts
 * const sts = new MtaSts({ dns, store: new DirectoryStsStore('/var/lib/mxtls/sts'), logger });
 * const policy = await sts.policyFor('example.com'); // StsPolicy, StsFailure or null
 * ```
 *
 * Asked once per next-hop domain. null: no policy, deliver as if there were no MTA-STS. A failure: there is a policy, it
 * cannot be had and none is cached; deliver as if there were none (RFC 8461 section 5.1), and tell TLSRPT. A policy:
 * `policyAttributes()` says it in the words of the policy table, and `judgeHost()` what it means for one MX host, since
 * a host with TLSA records is up to DANE. A cached policy holds until it expires, whatever DNS and HTTPS say meanwhile.
 */
import type { DnsLookup, DnsResult } from '../dns/answer.js';
import type { Logger } from '../log/logger.js';
import { type DomainState, DomainStates } from './domain-states.js';
import { type FetchProps, fetchPolicyFile, type StsFailure } from './fetch.js';
import { matchesMxPattern } from './policy-file.js';
import { findStsId, type StsId } from './record.js';
import { Slots } from './slots.js';
import { expiryOf, MemoryStsStore, type StoredPolicy, type StsStore } from './store.js';

/** A policy that holds now. */
export interface StsPolicy extends StoredPolicy {
  readonly kind: 'policy';
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface MtaStsProps extends Omit<FetchProps, 'dns'> {
  readonly dns: Pick<DnsLookup, 'txt' | 'a' | 'aaaa'>;
  /** Default: one that lasts as long as the process. */
  readonly store?: StsStore;
  /** Gets warnings: policies that cannot be fetched, stores that fail. */
  readonly logger?: Pick<Logger, 'warn'>;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
  /** Fetches at a time; default 10. */
  readonly concurrency?: number;
}

const minute = 60_000;
const day = 24 * 60 * minute;
/** RFC 8461 section 3.3: not before five minutes have passed. */
const pauseAfterFailure = 5 * minute;
/** A domain whose id changes with every look-up must not cost a fetch for every message. */
const pauseAfterSuccess = minute;
const waitingLimit = 1000;

export class MtaSts {
  readonly #props: MtaStsProps;
  readonly #store: StsStore;
  readonly #now: () => number;
  readonly #slots: Slots;
  readonly #states = new DomainStates();
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(props: MtaStsProps) {
    this.#props = props;
    this.#store = props.store ?? new MemoryStsStore();
    this.#now = props.now ?? Date.now;
    this.#slots = new Slots(props.concurrency ?? 10);
  }

  /** `name`: a next-hop domain in A-label form; what is no domain (an address, `[host]`) has no policy. Never rejects. */
  async policyFor(name: string): Promise<StsPolicy | StsFailure | null> {
    const domain = name.toLowerCase().replace(/\.$/, '');
    if (!isDomain(domain)) {
      return null;
    }
    const state = this.#states.get(domain);
    state.usedAt = this.#now();
    const [id] = await Promise.all([this.#discover(state), this.#load(state)]);
    const policy = this.#valid(state.policy);
    if (id === null || policy?.id === id) {
      if (id !== null && policy !== null && this.#isRefreshDue(policy)) {
        this.#fetch(state, id);
      }
      return policy;
    }
    const failure = await this.#fetch(state, id);
    return this.#valid(state.policy) ?? failure;
  }

  /**
   * Fetches again what has been asked for and is a day old, or half its life; forgets what has expired.
   *
   * For a timer, say once an hour: without it a policy is refreshed when it is asked for only.
   */
  async refresh(): Promise<void> {
    for (const domain of await this.#stored()) {
      const policy = await this.#try('reading', domain, () => this.#store.load(domain));
      if (policy !== undefined && this.#valid(policy) === null) {
        await this.#try('forgetting', domain, () => this.#store.remove(domain));
      }
    }
    await Promise.all([...this.#states].map((state) => this.#refreshOne(state)));
  }

  /** Resolves when no fetch is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) {
      await Promise.all(this.#underWay);
    }
  }

  async #refreshOne(state: DomainState): Promise<void> {
    const policy = this.#valid(state.policy);
    if (policy === null || state.usedAt < policy.fetchedAt || !this.#isRefreshDue(policy)) {
      return;
    }
    const id = await this.#discover(state);
    if (id !== null) {
      await this.#fetch(state, id);
    }
  }

  #valid(policy: StoredPolicy | null): StsPolicy | null {
    if (policy === null || this.#now() >= expiryOf(policy)) {
      return null;
    }
    return { kind: 'policy', ...policy, expiresAt: expiryOf(policy) };
  }

  #isRefreshDue(policy: StoredPolicy): boolean {
    const age = this.#now() - policy.fetchedAt;
    return age >= Math.min(day, (policy.file.maxAge * 1000) / 2);
  }

  /** The id of the TXT record, looked up again when its time to live has passed. */
  async #discover(state: DomainState): Promise<StsId | null> {
    if (state.discovery === null || this.#now() >= state.discoverAgainAt) {
      const found = this.#lookUp(state);
      state.discovery = found;
      state.discoverAgainAt = Number.POSITIVE_INFINITY;
    }
    return state.discovery;
  }

  async #lookUp(state: DomainState): Promise<StsId | null> {
    const name = `_mta-sts.${state.domain}`;
    const answer = await this.#askTxt(name);
    if (answer.kind === 'failure') {
      this.#warn(`cannot look up the MTA-STS record ${name}: ${answer.text}`);
      state.discoverAgainAt = this.#now() + minute;
      return null;
    }
    const ttl = Math.min(Math.max(answer.ttl * 1000, minute), 60 * minute);
    state.discoverAgainAt = this.#now() + ttl;
    return answer.kind === 'found' ? findStsId(answer.records) : null;
  }

  async #askTxt(name: string): Promise<DnsResult<string>> {
    try {
      return await this.#props.dns.txt(name);
    } catch (error) {
      return { kind: 'failure', reason: 'malformed', text: messageOf(error) };
    }
  }

  #load(state: DomainState): Promise<void> {
    state.loaded ??= (async () => {
      const work = (): Promise<StoredPolicy | null> => this.#store.load(state.domain);
      const stored = (await this.#try('reading', state.domain, work)) ?? null;
      // What a clock that went wrong has written must not hold for longer than it may.
      state.policy = stored !== null && stored.fetchedAt <= this.#now() ? stored : null;
    })();
    return state.loaded;
  }

  /** Null when `state.policy` has what there is; one fetch at a time for a domain. */
  #fetch(state: DomainState, id: StsId): Promise<StsFailure | null> {
    if (state.fetching === null) {
      if (this.#now() < state.fetchAgainAt) {
        return Promise.resolve(state.failure);
      }
      const fetching = this.#fetchNow(state, id).finally(() => {
        state.fetching = null;
        this.#underWay.delete(fetching);
      });
      state.fetching = fetching;
      this.#underWay.add(fetching);
    }
    return state.fetching;
  }

  async #fetchNow(state: DomainState, id: StsId): Promise<StsFailure | null> {
    const { domain } = state;
    if (this.#slots.waiting >= waitingLimit) {
      return {
        kind: 'failure',
        type: 'sts-policy-fetch-error',
        text: 'too many policies are fetched',
      };
    }
    const result = await this.#slots.run(() => fetchPolicyFile(domain, this.#props));
    if (result.kind === 'failure') {
      state.failure = result;
      state.fetchAgainAt = this.#now() + pauseAfterFailure;
      this.#reportFailure(state, result);
      return result;
    }
    state.failure = null;
    state.fetchAgainAt = this.#now() + pauseAfterSuccess;
    const policy = { domain, id, file: result.file, fetchedAt: this.#now() };
    state.policy = policy;
    await this.#try('storing', domain, () => this.#store.save(policy));
    return null;
  }

  /** RFC 8461 section 3.3: administrators want to know, unless the policy is to have none. */
  #reportFailure(state: DomainState, failure: StsFailure): void {
    const cached = this.#valid(state.policy);
    if (cached?.file.mode === 'none') {
      return;
    }
    const rest =
      cached === null
        ? 'delivering without'
        : `using the one that expires ${new Date(cached.expiresAt).toISOString()}`;
    this.#warn(`MTA-STS policy of ${state.domain}: ${failure.type}: ${failure.text}; ${rest}`);
  }

  async #stored(): Promise<readonly string[]> {
    const domains = await this.#try('listing', 'all domains', () => this.#store.domains());
    return (domains ?? []).filter(isDomain);
  }

  async #try<T>(what: string, whose: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#warn(`${what} the MTA-STS policy of ${whose} failed: ${messageOf(error)}`);
      return undefined;
    }
  }

  #warn(text: string): void {
    this.#props.logger?.warn(text);
  }
}

/** The longest name with `mta-sts.` before it that the DNS can hold. */
const longestDomain = 253 - 'mta-sts.'.length;

function isDomain(text: string): boolean {
  const form =
    /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
  // A last label of digits only is an address written as a name.
  return text.length <= longestDomain && form.test(text) && !/(?:^|\.)\d+$/.test(text);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a policy means for one MX host. */
export type HostVerdict = 'dane' | 'match' | 'mismatch';

/**
 * `hasTlsa`: the host has TLSA records that are secure, usable or not. Then DANE decides alone (RFC 8461 section 2: MTA-STS
 * must not override a DANE validation that fails). `match`: the certificate has to be trusted and name the host.
 * `mismatch`: in mode enforce the host is skipped, in mode testing only reported.
 */
export function judgeHost(policy: StsPolicy, host: string, hasTlsa: boolean): HostVerdict {
  if (hasTlsa) {
    return 'dane';
  }
  return policy.file.mode === 'none' || matchesMxPattern(host, policy.file.mx)
    ? 'match'
    : 'mismatch';
}
