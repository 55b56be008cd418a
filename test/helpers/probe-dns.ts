/** DNS from a table, for probes: what is not in it does not exist. */
import type {
  DnsFailure,
  DnsLookup,
  DnsResult,
  MxRecord,
  TlsaRecord,
} from '../../lib/dns/answer.js';
import { tlsaRecord } from './policy.js';

export interface ProbeZone {
  /** `domain`: `10 mx.example.com`, `0 ` for a null MX. */
  readonly mx?: Readonly<Record<string, readonly string[]>>;
  readonly a?: Readonly<Record<string, readonly string[]>>;
  readonly aaaa?: Readonly<Record<string, readonly string[]>>;
  /** `_25._tcp.mx.example.com`: `3 1 1 HEX` */
  readonly tlsa?: Readonly<Record<string, readonly string[]>>;
  readonly cname?: Readonly<Record<string, string>>;
  /** Names whose records are not signed; `mx example.com` for one type. */
  readonly insecure?: readonly string[];
  /** Likewise names that a validating resolver refuses. */
  readonly bogus?: readonly string[];
}

/** A resolver of a world in which all is signed but what is said not to be. */
export function zoneDns(zone: ProbeZone): DnsLookup {
  const has = (list: readonly string[] | undefined, type: string, name: string): boolean =>
    list?.some((entry) => entry === name || entry === `${type} ${name}`) ?? false;
  const answer = <Data>(
    type: string,
    name: string,
    texts: readonly string[] | undefined,
    read: (text: string) => Data,
  ): Promise<DnsResult<Data>> => {
    const failure: DnsFailure = {
      kind: 'failure',
      reason: 'bogus',
      text: `${name} ${type}: bogus`,
    };
    if (has(zone.bogus, type, name)) {
      return Promise.resolve(failure);
    }
    const secure = !has(zone.insecure, type, name);
    const records = texts?.map(read);
    return Promise.resolve(
      records === undefined
        ? { kind: 'none', reason: 'nodata', secure, name, ttl: 60 }
        : { kind: 'found', records, secure, name: zone.cname?.[name] ?? name, ttl: 60 },
    );
  };
  const same = (text: string): string => text;
  const behind = (name: string): string => zone.cname?.[name] ?? name;
  return {
    mx: (name) => answer('mx', name, zone.mx?.[name], mxRecord),
    a: (name) => answer('a', name, zone.a?.[behind(name)], same),
    aaaa: (name) => answer('aaaa', name, zone.aaaa?.[behind(name)], same),
    cname: (name) => {
      const target = zone.cname?.[name];
      return answer('cname', name, target === undefined ? undefined : [target], same);
    },
    tlsa: (name): Promise<DnsResult<TlsaRecord>> =>
      answer('tlsa', name, zone.tlsa?.[name], tlsaRecord),
    txt: (name) => answer<string>('txt', name, undefined, same),
  };
}

function mxRecord(text: string): MxRecord {
  const [preference = '', exchange = ''] = text.split(' ');
  return { preference: Number(preference), exchange };
}
