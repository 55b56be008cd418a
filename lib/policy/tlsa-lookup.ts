/**
 * Where the TLSA records of a host are (RFC 7671, section 7; RFC 7672, section 2.2): which names are asked, in which
 * order, and what may be believed.
 */
import type { DnsLookup, DnsResult, TlsaRecord } from '../dns/answer.js';
import { SmallCache } from './cache.js';
import type { PolicyFacts } from './policy.js';
import { usableRecords } from './tlsa-records.js';
import type { Warn } from './table-policy.js';

export type TlsaOutcome =
  | { readonly kind: 'none' }
  | { readonly kind: 'failure' }
  | {
      readonly kind: 'found';
      /** The name that has them: server name of the session and reference name. */
      readonly base: string;
      /** Without those that the policy rejects; may be empty. */
      readonly records: readonly TlsaRecord[];
    };

export type HostFacts = Pick<PolicyFacts, 'host' | 'expandedName' | 'addressSecure' | 'port'>;

export interface TlsaLookupProps {
  readonly dns: Pick<DnsLookup, 'cname' | 'tlsa'>;
  readonly warn: Warn;
  /** `smtp_tls_force_insecure_host_tlsa_lookup` */
  readonly forceInsecureHost: boolean;
  /** Milliseconds, steadily forward. */
  readonly now: () => number;
}

interface Kept {
  readonly outcome: TlsaOutcome;
  readonly until: number;
}

const cacheSize = 20;
const longestTtl = 100;

export class TlsaLookup {
  readonly #props: TlsaLookupProps;
  readonly #cache = new SmallCache<Kept>(cacheSize);

  constructor(props: TlsaLookupProps) {
    this.#props = props;
  }

  async find(facts: HostFacts): Promise<TlsaOutcome> {
    const names = await this.#names(facts);
    if (names === 'failure') {
      return { kind: 'failure' };
    }
    for (const name of names) {
      const outcome = await this.#ask(name, facts.port);
      if (outcome.kind !== 'none') {
        return outcome;
      }
    }
    return { kind: 'none' };
  }

  /** Unsigned addresses of a name that is no alias end it: TLSA records there would prove nothing. */
  async #names(facts: HostFacts): Promise<readonly string[] | 'failure'> {
    const { host, expandedName } = facts;
    const isAlias = host.toLowerCase() !== expandedName.toLowerCase();
    if (facts.addressSecure || this.#props.forceInsecureHost) {
      return isAlias ? [expandedName, host] : [host];
    }
    if (!isAlias) {
      return [];
    }
    const alias = await this.#props.dns.cname(host);
    if (alias.kind === 'failure') {
      this.#warnOf(host, 'CNAME');
      return 'failure';
    }
    return alias.kind === 'found' && alias.secure ? [host] : [];
  }

  async #ask(host: string, port: number): Promise<TlsaOutcome> {
    const base = host.toLowerCase();
    const question = `_${port}._tcp.${base}`;
    const kept = this.#cache.get(question);
    if (kept !== undefined && this.#props.now() < kept.until) {
      return kept.outcome;
    }
    this.#cache.delete(question);
    const answer = await this.#props.dns.tlsa(question);
    if (answer.kind === 'failure') {
      this.#warnOf(question, 'TLSA');
      return { kind: 'failure' };
    }
    const outcome = this.#read(question, base, answer);
    const ttl = outcome.kind === 'found' ? Math.min(Math.max(answer.ttl, 1), longestTtl) : 1;
    this.#cache.set(question, { outcome, until: this.#props.now() + (ttl + 1) * 1000 });
    return outcome;
  }

  #read(question: string, base: string, answer: DnsResult<TlsaRecord>): TlsaOutcome {
    if (answer.kind !== 'found' || !answer.secure || answer.records.length === 0) {
      return { kind: 'none' };
    }
    const owner = answer.name === question ? question : `${question} -> ${answer.name}`;
    const records = usableRecords(answer.records, owner, this.#props.warn);
    return { kind: 'found', base, records };
  }

  #warnOf(name: string, type: string): void {
    const error = `Name service error for name=${name} type=${type}: Host not found, try again`;
    this.#props.warn(`DANE TLSA lookup problem: Host or domain name not found. ${error}`);
  }
}
