// The hosts of a destination: MX (RFC 5321, section 5.1), null MX (RFC 7505), the addresses of each host,
// in the order in which they are tried. Mirrors what Postfix's smtp_addr.c decides, texts included.
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { type AddressFilter, impossibleNetworks, refuseNetworks } from './address-filter.js';
import { type AddressPreference, orderHosts } from './address-order.js';
import type { DnsFound, DnsLookup, MxRecord } from './answer.js';
import {
  type HostAddress,
  type HostAddresses,
  type InetProtocol,
  lookUpHost,
} from './host-addresses.js';
import { combined, invalidName, type LookupProblem, nameServiceError } from './lookup-problem.js';
import { canonicalName } from './names.js';
import type { Random } from './random.js';

export interface FindHostsOptions {
  /** `smtp_address_preference`. Default `any`. */
  readonly addressPreference?: AddressPreference;
  /** `inet_protocols`. Default both. */
  readonly inetProtocols?: readonly InetProtocol[];
  /** Shuffles equal preferences (`smtp_randomize_addresses`); null: not at all. Default: by chance. */
  readonly random?: Random | null;
  /** `smtp_mx_address_limit`; 0: none. Default 5. */
  readonly addressLimit?: number;
  /** `smtp_balance_inet_protocols`. Default true. */
  readonly balanceInetProtocols?: boolean;
  /** `ignore_mx_lookup_error`: go on as if there were no MX. Default false. */
  readonly ignoreMxLookupError?: boolean;
  /**
   * Networks that DNS may not lead to. Default {@link impossibleNetworks}; add {@link localNetworks} where
   * people whom you do not trust choose destinations.
   */
  readonly refusedNetworks?: readonly string[];
}

/** One address to try. */
export interface DestinationHost extends HostAddress {
  /** The host's name as MX (or the caller) has it. */
  readonly name: string;
  /** Of the MX record; 0 without one. */
  readonly preference: number;
}

export interface Destination {
  readonly kind: 'found';
  /** In the order in which they are tried; at least one. */
  readonly hosts: readonly DestinationHost[];
  /** Of the MX records; `none`: there are none, so the hosts are the domain's own addresses. */
  readonly mx: 'secure' | 'insecure' | 'none';
  /** The domain asked for, in canonical form. */
  readonly domain: string;
  /** The domain after aliases. */
  readonly expandedDomain: string;
}

export interface DestinationProblem extends LookupProblem {
  /** For the log. */
  readonly warning: string | null;
}

/** More records of one kind are not looked at. */
const MAX_RECORDS = 100;

/** The mail hosts of a domain. Never rejects. */
export async function findHosts(
  lookup: DnsLookup,
  domain: string,
  options: FindHostsOptions = {},
): Promise<Destination | DestinationProblem> {
  const name = canonicalName(domainToASCII(domain));
  if (name === null) {
    return { ...invalidName(domain), warning: null };
  }
  const mx = await lookup.mx(name);
  if (mx.kind === 'none' || (mx.kind === 'failure' && options.ignoreMxLookupError)) {
    return findHost(lookup, name, options);
  }
  if (mx.kind === 'failure') {
    return { ...nameServiceError(name, 'MX', mx), warning: null };
  }
  if (isNullMx(mx.records)) {
    const text = `Domain ${name} does not accept mail (nullMX)`;
    return { kind: 'problem', dsn: '5.1.0', text, failure: null, warning: null };
  }
  return findExchanges(lookup, name, mx, options);
}

/** One host by name, without MX: for a next hop in brackets. Never rejects. */
export async function findHost(
  lookup: DnsLookup,
  host: string,
  options: FindHostsOptions = {},
): Promise<Destination | DestinationProblem> {
  const name = canonicalName(isIP(host) === 0 ? domainToASCII(host) : host);
  if (name === null) {
    return { ...invalidName(host), warning: null };
  }
  const found = await addressesOf(lookup, name, options);
  if (found.kind === 'problem') {
    return { ...found, warning: null };
  }
  const hosts = ordered([{ name, preference: 0, found }], options);
  return { kind: 'found', hosts, mx: 'none', domain: name, expandedDomain: name };
}

async function findExchanges(
  lookup: DnsLookup,
  domain: string,
  mx: DnsFound<MxRecord>,
  options: FindHostsOptions,
): Promise<Destination | DestinationProblem> {
  const exchanges = mx.records
    .toSorted((one, other) => one.preference - other.preference)
    .slice(0, MAX_RECORDS);
  const looked = await Promise.all(
    exchanges.map(async ({ exchange, preference }) => ({
      name: exchange,
      preference,
      found: await addressesOf(lookup, exchange, options),
    })),
  );
  const hosts = ordered(looked, options);
  if (hosts.length === 0) {
    const problems = looked.map(({ found }) => found).filter((found) => found.kind === 'problem');
    const warning = `no MX host for ${domain} has a valid address record`;
    return { ...combined(problems), warning };
  }
  const security = mx.secure ? 'secure' : 'insecure';
  return { kind: 'found', hosts, mx: security, domain, expandedDomain: mx.name };
}

interface LookedUp {
  readonly name: string;
  readonly preference: number;
  readonly found: HostAddresses;
}

function ordered(
  looked: readonly LookedUp[],
  options: FindHostsOptions,
): readonly DestinationHost[] {
  const hosts = looked.flatMap(({ name, preference, found }) =>
    found.kind === 'found'
      ? found.addresses.map((address) => ({ ...address, name, preference }))
      : [],
  );
  return orderHosts(hosts, {
    addressPreference: options.addressPreference ?? 'any',
    random: options.random === undefined ? byChance : options.random,
    limit: options.addressLimit ?? 5,
    balance: options.balanceInetProtocols ?? true,
  });
}

function addressesOf(
  lookup: DnsLookup,
  host: string,
  options: FindHostsOptions,
): Promise<HostAddresses> {
  const protocols = options.inetProtocols ?? ['ipv4', 'ipv6'];
  return lookUpHost(lookup, host, protocols, filterOf(options.refusedNetworks));
}

const impossible = refuseNetworks(impossibleNetworks);

/** Lists are made once and used for each look-up. */
const filters = new WeakMap<readonly string[], AddressFilter>();

function filterOf(refused: readonly string[] | undefined): AddressFilter {
  if (refused === undefined) {
    return impossible;
  }
  const filter = filters.get(refused) ?? refuseNetworks(refused);
  filters.set(refused, filter);
  return filter;
}

function isNullMx(records: readonly MxRecord[]): boolean {
  return records.length === 1 && records[0]?.exchange === '';
}

/** The order need not be unpredictable. */
function byChance(below: number): number {
  return Math.floor(Math.random() * below);
}
