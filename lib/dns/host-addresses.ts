// The addresses of one host, in both families.
import { isIP } from 'node:net';
import type { AddressFilter } from './address-filter.js';
import type { DnsLookup, DnsResult } from './answer.js';
import { invalidName, type LookupProblem, nameServiceError } from './lookup-problem.js';
import { canonicalName } from './names.js';

export type InetProtocol = 'ipv4' | 'ipv6';

export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
  /** The host's name after aliases; as asked for when it is none. */
  readonly expandedName: string;
  /** The address records are secure, and with them the alias. */
  readonly secure: boolean;
}

export type HostAddresses =
  | { readonly kind: 'found'; readonly addresses: readonly HostAddress[] }
  | LookupProblem;

interface Family {
  readonly family: 4 | 6;
  readonly type: 'A' | 'AAAA';
  readonly result: DnsResult<string>;
}

/** Looks up a host; an MX record that names an address instead of a host is taken at its word, like Postfix does. */
export async function lookUpHost(
  lookup: DnsLookup,
  host: string,
  protocols: readonly InetProtocol[],
  allowed: AddressFilter,
): Promise<HostAddresses> {
  if (isIP(host) !== 0) {
    const family = isIP(host) === 4 ? 4 : 6;
    const literal: HostAddress = { address: host, family, expandedName: host, secure: false };
    return filtered(host, [literal], family === 4 ? 'A' : 'AAAA', allowed);
  }
  if (canonicalName(host) === null) {
    return invalidName(host);
  }
  const families = await Promise.all(
    protocols.map(async (protocol): Promise<Family> => {
      return protocol === 'ipv4'
        ? { family: 4, type: 'A', result: await lookup.a(host) }
        : { family: 6, type: 'AAAA', result: await lookup.aaaa(host) };
    }),
  );
  const addresses = families.flatMap(addressesOf);
  return addresses.length > 0
    ? filtered(host, addresses, addresses[0]?.family === 4 ? 'A' : 'AAAA', allowed)
    : notFound(host, families);
}

function addressesOf({ family, result }: Family): readonly HostAddress[] {
  if (result.kind !== 'found') {
    return [];
  }
  const { records, name: expandedName, secure } = result;
  return records.map((address) => ({ address, family, expandedName, secure }));
}

/** Postfix's words for what its smtp_dns_reply_filter does. */
function filtered(
  host: string,
  addresses: readonly HostAddress[],
  type: 'A' | 'AAAA',
  allowed: AddressFilter,
): HostAddresses {
  const left = addresses.filter(({ address }) => allowed(address));
  const text = `Error looking up name=${host} type=${type}: DNS reply filter drops all results`;
  return left.length > 0
    ? { kind: 'found', addresses: left }
    : { kind: 'problem', dsn: '4.7.0', text, failure: null };
}

/** A failure rather than an absence, of those the last one. */
function notFound(host: string, families: readonly Family[]): LookupProblem {
  const failed = families.findLast(({ result }) => result.kind === 'failure') ?? families.at(-1);
  const result = failed?.result;
  if (failed === undefined || result === undefined || result.kind === 'found') {
    return { kind: 'problem', dsn: '5.4.4', text: `${host}: host not found`, failure: null };
  }
  return nameServiceError(host, failed.type, result);
}
