// A resolver of the caller's, which may throw, reject or answer nonsense: to the engines that is a look-up that failed.
import type { DnsLookup, DnsResult } from './answer.js';

const kinds: readonly unknown[] = ['found', 'none', 'failure'];

export class GuardedLookup implements DnsLookup {
  readonly #lookup: DnsLookup;
  readonly #warn: (text: string) => void;

  constructor(lookup: DnsLookup, warn: (text: string) => void) {
    this.#lookup = lookup;
    this.#warn = warn;
  }

  mx: DnsLookup['mx'] = (name) => this.#ask('MX', name, () => this.#lookup.mx(name));
  a: DnsLookup['a'] = (name) => this.#ask('A', name, () => this.#lookup.a(name));
  aaaa: DnsLookup['aaaa'] = (name) => this.#ask('AAAA', name, () => this.#lookup.aaaa(name));
  cname: DnsLookup['cname'] = (name) => this.#ask('CNAME', name, () => this.#lookup.cname(name));
  tlsa: DnsLookup['tlsa'] = (name) => this.#ask('TLSA', name, () => this.#lookup.tlsa(name));
  txt: DnsLookup['txt'] = (name) => this.#ask('TXT', name, () => this.#lookup.txt(name));

  async #ask<Data>(
    type: string,
    name: string,
    ask: () => Promise<DnsResult<Data>>,
  ): Promise<DnsResult<Data>> {
    try {
      const result: DnsResult<Data> | undefined = await ask();
      return kinds.includes(result?.kind) ? result : this.#failed(type, name, 'no DnsResult');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.#failed(type, name, reason);
    }
  }

  #failed<Data>(type: string, name: string, reason: string): DnsResult<Data> {
    const text = `the resolver failed to look up name=${name} type=${type}: ${reason}`;
    this.#warn(text);
    return { kind: 'failure', reason: 'servfail', text };
  }
}
