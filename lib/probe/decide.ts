/** What each host of a destination is to be greeted with, and on which grounds: the policy, and what DNS was asked for it. */
import type { ResolvedSmtp } from '../config/options.js';
import { policySettings } from '../delivery/host-policy.js';
import type { Nexthop } from '../delivery/nexthop.js';
import { readDaneDigests } from '../policy/dane-digests.js';
import type { HostPolicy, PolicyFacts, PolicyProblem, PolicySettings } from '../policy/policy.js';
import { PolicyResolver } from '../policy/resolve.js';
import { isLoadable, usableRecords } from '../policy/tlsa-records.js';
import type { TlsLevel } from '../tls/levels.js';
import type { FoundHost, FoundHosts } from './hosts.js';
import type { ProbeOptions } from './options.js';
import type { ProbeTables } from './tables.js';
import { Recorder } from './recorder.js';
import type { ProbedLookup, ProbedSts, ProbedTlsa } from './result.js';
import { ProbeSts } from './sts.js';

export interface DeciderProps {
  readonly options: ProbeOptions;
  readonly smtp: ResolvedSmtp;
  readonly nexthop: Nexthop;
  readonly found: FoundHosts;
  readonly tables: ProbeTables;
}

export interface Decided {
  readonly policy: HostPolicy | PolicyProblem;
  readonly facts: PolicyFacts;
  readonly lookups: readonly ProbedLookup[];
  readonly tlsaBase: string | null;
  readonly tlsa: readonly ProbedTlsa[];
  readonly sts: ProbedSts | null;
  readonly warnings: readonly string[];
}

export class Decider {
  readonly settings: PolicySettings;

  readonly #props: DeciderProps;
  readonly #sts: ProbeSts | null;
  readonly #decided = new Map<string, Promise<Decided>>();

  constructor(props: DeciderProps) {
    const { options, smtp } = props;
    this.#props = props;
    this.settings = policySettings(smtp);
    this.#sts = options.sts === undefined ? null : new ProbeSts(options.sts);
  }

  /** Before DNS has its say; null where the table is wrong. */
  requestedLevel({ name }: FoundHost): Promise<TlsLevel | null> {
    const { nexthop, tables } = this.#props;
    return tables.requested(nexthop.text, name ?? '', this.settings.securityLevel);
  }

  /** Once for each name: all addresses of a host have one policy. */
  decide(host: FoundHost): Promise<Decided> {
    const name = host.name ?? '';
    const decided = this.#decided.get(name) ?? this.#decideNow(host);
    this.#decided.set(name, decided);
    return decided;
  }

  async #decideNow(host: FoundHost): Promise<Decided> {
    const { options, smtp, tables } = this.#props;
    const facts = this.#facts(host);
    const recorder = new Recorder(options.dns);
    const warnings: string[] = [];
    const sts = this.#sts;
    const resolver = new PolicyResolver({
      settings: this.settings,
      policyMaps: tables.policyMaps,
      perSite: tables.perSite,
      dns: recorder,
      daneDigests: smtp.tls.daneDigests,
      warn: (text) => warnings.push(text),
      ...(sts === null ? {} : { sts: (domain: string) => sts.attributes(domain) }),
    });
    const policy = await resolver.resolvePolicy(facts);
    const { lookups, tlsaBase } = recorder;
    const tlsa = this.#tlsa(recorder);
    return { policy, facts, lookups, tlsaBase, tlsa, sts: sts?.seen ?? null, warnings };
  }

  #facts({ name, address, mxSecurity }: FoundHost): PolicyFacts {
    const { nexthop, found } = this.#props;
    return {
      nexthop: nexthop.text,
      destination: 'inet',
      host: name ?? '',
      expandedName: address?.expandedName ?? name ?? '',
      port: nexthop.port,
      addressSecure: address?.secure ?? false,
      hadMxLookup: found.hadMx,
      mxSecure: mxSecurity === 'secure',
      mxName: found.mxName,
      mxExpandedName: found.mxExpandedName,
      tlsRequiredNo: false,
    };
  }

  #tlsa({ records }: Recorder): readonly ProbedTlsa[] {
    const { digests } = readDaneDigests(this.#props.smtp.tls.daneDigests);
    const usable = usableRecords(records, '', () => undefined).filter((record) =>
      isLoadable(record, digests),
    );
    return records
      .map((record) => {
        const { usage, selector, matchingType, data } = record;
        const hex = data.toString('hex');
        return { usage, selector, matchingType, data: hex, usable: usable.includes(record) };
      })
      .toSorted(inOrder);
  }
}

/** Name servers turn the order round from answer to answer. */
function inOrder(one: ProbedTlsa, other: ProbedTlsa): number {
  return (
    one.usage - other.usage ||
    one.selector - other.selector ||
    one.matchingType - other.matchingType ||
    (one.data < other.data ? -1 : 1)
  );
}
