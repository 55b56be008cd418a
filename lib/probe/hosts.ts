/** The mail hosts of a destination as a probe wants them: each with what DNS said of it, those without address too. */
import { isIP } from 'node:net';
import type { ResolvedSmtp } from '../config/options.js';
import type { Nexthop } from '../delivery/nexthop.js';
import type { DnsFound, DnsLookup, DnsResult, MxRecord } from '../dns/answer.js';
import {
  type Destination,
  type DestinationProblem,
  type FindHostsOptions,
  findHost,
  findHosts,
} from '../dns/destination.js';
import type { HostAddress } from '../dns/host-addresses.js';
import type { Security } from './result.js';

/** A host to probe; without `address`: why not. */
export interface FoundHost {
  readonly name: string | null;
  readonly preference: number | null;
  readonly mxSecurity: Security | null;
  readonly address: HostAddress | null;
  readonly addressSecurity: Security | null;
  readonly problem: DestinationProblem | null;
}

export interface FoundHosts {
  readonly hosts: readonly FoundHost[];
  /** There are MX records. */
  readonly hadMx: boolean;
  /** The name that was asked for MX records, and where they were after aliases; null without. */
  readonly mxName: string | null;
  readonly mxExpandedName: string | null;
}

const withoutMx = { hadMx: false, mxName: null, mxExpandedName: null };

export async function findProbeHosts(
  dns: DnsLookup,
  { name: domain, mx: withMx }: Nexthop,
  smtp: ResolvedSmtp,
): Promise<FoundHosts> {
  const search = searchOf(smtp);
  if (!withMx) {
    const found = await findHost(dns, domain, search.find);
    return { ...withoutMx, hosts: rows(search, domain, null, null, found) };
  }
  const found = await findHosts(dns, domain, search.find);
  const name = found.kind === 'found' ? found.domain : domain;
  const mx = await dns.mx(name);
  const mxSecurity = securityOf(mx);
  if (mx.kind === 'found' && mx.records.some(({ exchange }) => exchange !== '')) {
    return exchanges(dns, name, mx, search);
  }
  // Where the look-up fails, or with a null MX, there is no host to name.
  const host = mx.kind === 'none' || found.kind === 'found' ? name : null;
  return { ...withoutMx, hosts: rows(search, host, null, mxSecurity, found) };
}

/** How hosts are looked up and named. */
interface Search {
  readonly find: FindHostsOptions;
  readonly firstFamily: 4 | 6;
  /** `smtp_cname_overrides_servername` */
  readonly expandNames: boolean;
}

/** The order is the same each time, with IPv4 first where no family is preferred; no address is left out. */
function searchOf(options: ResolvedSmtp): Search {
  const { addressPreference, cnameOverridesServername, ignoreMxLookupError, inetProtocols } =
    options;
  return {
    find: {
      ...{ random: null, addressLimit: 0, addressPreference: 'ipv4', ignoreMxLookupError },
      inetProtocols: inetProtocols === 'all' ? ['ipv4', 'ipv6'] : [inetProtocols],
    },
    firstFamily: addressPreference === 'ipv6' ? 6 : 4,
    expandNames: cnameOverridesServername,
  };
}

async function exchanges(
  dns: DnsLookup,
  mxName: string,
  mx: DnsFound<MxRecord>,
  search: Search,
): Promise<FoundHosts> {
  const mxSecurity = securityOf(mx);
  const records = mx.records
    .toSorted(
      (one, other) => one.preference - other.preference || compare(one.exchange, other.exchange),
    )
    .slice(0, 100);
  const looked = await Promise.all(
    records.map(async ({ exchange, preference }) =>
      rows(search, exchange, preference, mxSecurity, await findHost(dns, exchange, search.find)),
    ),
  );
  return { hosts: looked.flat(), hadMx: true, mxName, mxExpandedName: mx.name };
}

function rows(
  { firstFamily, expandNames }: Search,
  name: string | null,
  preference: number | null,
  mxSecurity: Security | null,
  found: Destination | DestinationProblem,
): readonly FoundHost[] {
  if (found.kind === 'problem') {
    const addressSecurity =
      name !== null && found.failure?.reason === 'bogus' ? ('bogus' as const) : null;
    return [{ name, preference, mxSecurity, address: null, addressSecurity, problem: found }];
  }
  return found.hosts
    .toSorted(
      (one, other) =>
        Number(other.family === firstFamily) - Number(one.family === firstFamily) ||
        compare(one.address, other.address),
    )
    .map((address) => ({
      name: expandNames && isIP(address.name) === 0 ? address.expandedName : address.name,
      preference,
      mxSecurity,
      address,
      addressSecurity: isIP(address.name) !== 0 ? null : address.secure ? 'secure' : 'insecure',
      problem: null,
    }));
}

/** Of the answer; null where there is none. */
function securityOf(result: DnsResult<unknown>): Security | null {
  if (result.kind === 'failure') {
    return result.reason === 'bogus' ? 'bogus' : null;
  }
  return result.secure ? 'secure' : 'insecure';
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
