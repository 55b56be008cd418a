/**
 * From a next hop to the servers that are tried: each address with what the choice of a policy depends on.
 */
import { isIP } from 'node:net';
import type { ResolvedSmtp } from '../config/options.js';
import { refuseNetworks } from '../dns/address-filter.js';
import type { DnsLookup } from '../dns/answer.js';
import {
  type Destination,
  type DestinationHost,
  type DestinationProblem,
  type FindHostsOptions,
  findHost,
  findHosts,
} from '../dns/destination.js';
import type { Random } from '../dns/random.js';
import type { Logger } from '../log/logger.js';
import type { PolicyFacts } from '../policy/policy.js';
import type { Peer } from './conversation.js';
import type { Failure } from './failure.js';
import { type HostLookup, HostSources, systemLookup } from './host-lookup.js';
import type { Nexthop } from './nexthop.js';

/** One address to try. */
export interface Target {
  readonly peer: Peer;
  /** Of a message that does not say `TLS-Required: no`. */
  readonly facts: PolicyFacts;
}

export interface HostFinderProps {
  readonly options: ResolvedSmtp;
  readonly dns: DnsLookup;
  /** In the place of DNS and system. */
  readonly lookup: HostLookup | undefined;
  readonly refusedNetworks: readonly string[] | undefined;
  readonly random: Random | undefined;
  readonly logger: Pick<Logger, 'warn'>;
}

const mostLiterals = 1000;

export class HostFinder {
  readonly #options: ResolvedSmtp;
  readonly #sources: DnsLookup;
  readonly #native: boolean;
  readonly #find: FindHostsOptions;
  readonly #logger: Pick<Logger, 'warn'>;
  /** Of next hops that are addresses: nothing about them changes. */
  readonly #literals = new Map<string, readonly Target[]>();

  /** @throws TlsError `INVALID_ARGUMENT`: `refusedNetworks` has something that is no network */
  constructor(props: HostFinderProps) {
    const { options, dns, lookup, refusedNetworks } = props;
    refuseNetworks(refusedNetworks ?? []); // a mistake in it is the caller's, not a delivery's
    this.#options = options;
    this.#logger = props.logger;
    this.#native = usesNative(options) && lookup === undefined;
    const useDns = lookup === undefined && usesDns(options);
    const native = lookup ?? (this.#native ? systemLookup : null);
    this.#sources = native === null ? dns : new HostSources({ dns, useDns, native });
    this.#find = findOptions(props);
  }

  /** The servers of a next hop in the order in which they are tried, at least one; or why there are none. */
  find(nexthop: Nexthop): readonly Target[] | Promise<readonly Target[] | Failure> {
    return this.#literals.get(nexthop.text) ?? this.#findAnew(nexthop);
  }

  async #findAnew(nexthop: Nexthop): Promise<readonly Target[] | Failure> {
    const targets = await this.#lookUp(nexthop);
    if (isIP(nexthop.name) !== 0 && !('kind' in targets)) {
      if (this.#literals.size >= mostLiterals) {
        this.#literals.clear();
      }
      this.#literals.set(nexthop.text, targets);
    }
    return targets;
  }

  async #lookUp(nexthop: Nexthop): Promise<readonly Target[] | Failure> {
    const { ignoreMxLookupError, dnsSupportLevel } = this.#options;
    const withMx = nexthop.mx && dnsSupportLevel !== 'disabled';
    const found = withMx
      ? await findHosts(this.#sources, nexthop.name, { ...this.#find, ignoreMxLookupError })
      : await findHost(this.#sources, nexthop.name, this.#find);
    if (found.kind === 'problem') {
      if (found.warning !== null) {
        this.#logger.warn(found.warning);
      }
      return this.#failure(nexthop, found);
    }
    return found.hosts.map((host) => this.#target(nexthop, found, host, withMx));
  }

  #failure(nexthop: Nexthop, problem: DestinationProblem): Failure {
    const native = this.#native ? nativeProblem(nexthop.name, problem) : null;
    const { dsn, text } = native ?? problem;
    return { kind: 'connect', status: dsn.startsWith('5') ? 'bounced' : 'deferred', dsn, text };
  }

  #target(
    nexthop: Nexthop,
    { mx, domain, expandedDomain }: Destination,
    { name, address, expandedName, secure }: DestinationHost,
    hadMxLookup: boolean,
  ): Target {
    const { cnameOverridesServername } = this.#options;
    const host = cnameOverridesServername && isIP(name) === 0 ? expandedName : name;
    return {
      peer: { host, address, port: nexthop.port },
      facts: {
        nexthop: nexthop.text,
        destination: 'inet',
        host,
        expandedName,
        port: nexthop.port,
        addressSecure: secure,
        hadMxLookup: hadMxLookup && mx !== 'none',
        mxSecure: mx === 'secure',
        mxName: mx === 'none' ? null : domain,
        mxExpandedName: mx === 'none' ? null : expandedDomain,
        tlsRequiredNo: false,
      },
    };
  }
}

/** Without DNS there is the system. */
function usesNative({ hostLookup, dnsSupportLevel }: ResolvedSmtp): boolean {
  return dnsSupportLevel === 'disabled' || hostLookup.includes('native');
}

function usesDns({ hostLookup, dnsSupportLevel }: ResolvedSmtp): boolean {
  return dnsSupportLevel !== 'disabled' && hostLookup.includes('dns');
}

function findOptions({
  options,
  lookup,
  refusedNetworks,
  random,
}: HostFinderProps): FindHostsOptions {
  const { inetProtocols, addressPreference, mxAddressLimit, balanceInetProtocols } = options;
  // The order of a caller's function is the caller's.
  const ordered = lookup !== undefined || !options.randomizeAddresses;
  return {
    addressPreference,
    addressLimit: mxAddressLimit,
    balanceInetProtocols,
    inetProtocols: inetProtocols === 'all' ? ['ipv4', 'ipv6'] : [inetProtocols],
    ...(ordered ? { random: null } : random === undefined ? {} : { random }),
    ...(refusedNetworks === undefined ? {} : { refusedNetworks }),
  };
}

/** Postfix's words where the system has the last word. */
function nativeProblem(
  host: string,
  { dsn, failure }: DestinationProblem,
): { readonly dsn: string; readonly text: string } | null {
  const text = `unable to look up host ${host}:`;
  if (dsn === '5.4.4') {
    return { dsn, text: `${text} Name or service not known` };
  }
  return failure === null
    ? null
    : { dsn: '4.4.4', text: `${text} Temporary failure in name resolution` };
}
