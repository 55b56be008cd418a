/**
 * Where addresses of hosts come from (`smtp_host_lookup`): the DNS, the system's database, or a function of the
 * caller. All are asked in the form of a {@link DnsLookup}; only DNS can say that something is signed.
 */
import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import type { DnsLookup, DnsResult } from '../dns/answer.js';

/** Addresses in the order in which they are tried. */
export type HostLookup = (host: string) => Promise<readonly string[]>;

/** What getaddrinfo(3) says, in its order. */
export const systemLookup: HostLookup = async (host) => {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

export interface HostSourcesProps {
  readonly dns: DnsLookup;
  /** Addresses are looked for in the DNS first. */
  readonly useDns: boolean;
  /** Asked for what DNS does not have; null: nobody. */
  readonly native: HostLookup | null;
}

/** DNS, with addresses of another source instead of DNS or behind it. */
export class HostSources implements DnsLookup {
  readonly #props: HostSourcesProps;
  /** Both families are one question. */
  readonly #asked = new Map<string, Promise<readonly string[]>>();

  constructor(props: HostSourcesProps) {
    this.#props = props;
  }

  mx: DnsLookup['mx'] = (name) => this.#props.dns.mx(name);
  cname: DnsLookup['cname'] = (name) => this.#props.dns.cname(name);
  tlsa: DnsLookup['tlsa'] = (name) => this.#props.dns.tlsa(name);
  txt: DnsLookup['txt'] = (name) => this.#props.dns.txt(name);

  a(name: string): Promise<DnsResult<string>> {
    return this.#addresses(name, 'a');
  }

  aaaa(name: string): Promise<DnsResult<string>> {
    return this.#addresses(name, 'aaaa');
  }

  /** A DNS that fails is not overruled: what it has may be what must not be passed over. */
  async #addresses(name: string, type: 'a' | 'aaaa'): Promise<DnsResult<string>> {
    const { dns, useDns, native } = this.#props;
    const found = useDns ? await dns[type](name) : null;
    if (native === null || (found !== null && found.kind !== 'none')) {
      return found ?? { kind: 'none', reason: 'nxdomain', secure: false, name, ttl: 0 };
    }
    return this.#ask(native, name, type);
  }

  async #ask(native: HostLookup, name: string, type: 'a' | 'aaaa'): Promise<DnsResult<string>> {
    try {
      const asked = this.#asked.get(name) ?? native(name);
      this.#asked.set(name, asked);
      const addresses = await asked.finally(() => this.#asked.delete(name));
      const records = addresses.filter((address) => isIPv4(address) === (type === 'a'));
      return records.length > 0
        ? { kind: 'found', records, secure: false, name, ttl: 0 }
        : { kind: 'none', reason: 'nxdomain', secure: false, name, ttl: 0 };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === 'ENOTFOUND' || code === 'ENODATA'
        ? { kind: 'none', reason: 'nxdomain', secure: false, name, ttl: 0 }
        : { kind: 'failure', reason: 'servfail', text: message };
    }
  }
}
