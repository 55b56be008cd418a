/** Remembers what the policy asks DNS, so that a probe can show it: nothing is asked twice for the sake of showing. */
import type { DnsLookup, DnsResult, TlsaRecord } from '../dns/answer.js';
import type { ProbedLookup } from './result.js';

export class Recorder implements Pick<DnsLookup, 'cname' | 'tlsa'> {
  /** In the order of the questions. */
  readonly lookups: ProbedLookup[] = [];
  /** Of the last answer that has secure ones. */
  records: readonly TlsaRecord[] = [];
  /** The host that has them. */
  tlsaBase: string | null = null;

  readonly #dns: Pick<DnsLookup, 'cname' | 'tlsa'>;

  constructor(dns: Pick<DnsLookup, 'cname' | 'tlsa'>) {
    this.#dns = dns;
  }

  async cname(name: string): Promise<DnsResult<string>> {
    const result = await this.#dns.cname(name);
    this.#note(name, 'CNAME', result);
    return result;
  }

  async tlsa(name: string): Promise<DnsResult<TlsaRecord>> {
    const result = await this.#dns.tlsa(name);
    this.#note(name, 'TLSA', result);
    if (result.kind === 'found' && result.secure) {
      this.records = result.records;
      this.tlsaBase = name.replace(/^_\d+\._tcp\./, '');
    }
    return result;
  }

  #note(name: string, type: ProbedLookup['type'], result: DnsResult<unknown>): void {
    const kind = result.kind === 'failure' ? result.reason : result.kind;
    this.lookups.push({ name, type, kind, secure: result.kind !== 'failure' && result.secure });
  }
}
