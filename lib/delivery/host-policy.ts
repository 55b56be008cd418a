/**
 * The policies of the hosts of one Smtp: settings and tables in the form that {@link PolicyResolver} takes.
 *
 * Tables are opened with the first delivery. One that cannot be opened is one that fails at each look-up, as with
 * Postfix: mail waits, and the next delivery tries again.
 */
import { domainToASCII } from 'node:url';
import type { ResolvedSmtp } from '../config/options.js';
import type { DnsLookup } from '../dns/answer.js';
import type { Logger } from '../log/logger.js';
import type { LookupTable } from '../maps/table.js';
import { TableList } from '../maps/table-list.js';
import type { NamedTable } from '../policy/find.js';
import type { HostPolicy, PolicyFacts, PolicyProblem, PolicySettings } from '../policy/policy.js';
import { PolicyResolver } from '../policy/resolve.js';
import { type MtaSts, policyAttributes } from '../sts/index.js';

export interface HostPoliciesProps {
  readonly options: ResolvedSmtp;
  readonly dns: DnsLookup;
  readonly logger: Logger;
  /** Searched before `smtp_tls_policy_maps`. */
  readonly table: LookupTable | null;
  readonly sts: MtaSts | null;
}

export class HostPolicies {
  readonly #props: HostPoliciesProps;
  readonly #policyMaps: TableList;
  readonly #perSite: TableList;
  #resolver: Promise<PolicyResolver> | null = null;
  /** What `#resolver` has come to. */
  #opened: PolicyResolver | null = null;

  constructor(props: HostPoliciesProps) {
    this.#props = props;
    const { logger } = props;
    const { policyMaps, perSite } = props.options.tls;
    this.#policyMaps = new TableList({
      parameter: 'smtp_tls_policy_maps',
      specs: policyMaps,
      logger,
    });
    this.#perSite = new TableList({ parameter: 'smtp_tls_per_site', specs: perSite, logger });
  }

  /** What the host is to be greeted with, or why it is skipped. Never rejects. */
  resolve(facts: PolicyFacts): HostPolicy | PolicyProblem | Promise<HostPolicy | PolicyProblem> {
    return this.#opened?.commonPolicy(facts) ?? this.#resolveAnew(facts);
  }

  async #resolveAnew(facts: PolicyFacts): Promise<HostPolicy | PolicyProblem> {
    this.#resolver ??= this.#open();
    const opening = this.#resolver;
    const resolver = await opening;
    if (opening === this.#resolver) {
      this.#opened = resolver;
    }
    return resolver.resolvePolicy(facts);
  }

  /** The next delivery looks again. */
  requestEnded(): void {
    this.#opened?.requestEnded();
  }

  /** Opens the tables anew. @throws TlsError (rejects) `LOOKUP_TABLE`: the former ones stay in use */
  async reload(): Promise<void> {
    await this.#policyMaps.reload();
    await this.#perSite.reload();
    this.#forget();
  }

  close(): void {
    this.#forget();
    this.#policyMaps.close();
    this.#perSite.close();
  }

  #forget(): void {
    this.#resolver = null;
    this.#opened = null;
  }

  async #open(): Promise<PolicyResolver> {
    const { options, dns, logger, table, sts } = this.#props;
    const { policyMaps, perSite, daneDigests } = options.tls;
    const maps = await this.#tables(this.#policyMaps, policyMaps);
    const given = table === null ? [] : [{ spec: 'policyTable', table }];
    const hasMaps = table !== null || policyMaps.length > 0;
    return new PolicyResolver({
      settings: policySettings(options),
      policyMaps: hasMaps ? [...given, ...maps] : null,
      perSite: await this.#tables(this.#perSite, perSite),
      ...(sts === null ? {} : { sts: (domain: string) => stsAttributes(sts, domain) }),
      dns,
      daneDigests,
      warn: (text) => logger.warn(text),
    });
  }

  async #tables(list: TableList, specs: readonly string[]): Promise<readonly NamedTable[]> {
    if (specs.length === 0) {
      return [];
    }
    try {
      await list.open();
      return list.tables.map((table) => ({ spec: table.spec, table }));
    } catch (error) {
      this.#resolver = null;
      const fail = (): never => {
        throw error;
      };
      return [{ spec: specs.join(', '), table: { lookup: fail } }];
    }
  }
}

async function stsAttributes(sts: MtaSts, domain: string): Promise<string | null> {
  const policy = await sts.policyFor(domainToASCII(domain));
  return policy?.kind === 'policy' ? policyAttributes(policy) : null;
}

/** What policies depend on, of all the settings. */
export function policySettings(options: ResolvedSmtp): PolicySettings {
  const { dnsSupportLevel, hostLookup, ignoreMxLookupError, myhostname, tls } = options;
  return {
    securityLevel: tls.securityLevel,
    wrappermode: tls.wrappermode,
    servername: tls.servername,
    protocols: tls.protocols,
    mandatoryProtocols: tls.mandatoryProtocols,
    ciphers: tls.ciphers,
    mandatoryCiphers: tls.mandatoryCiphers,
    excludeCiphers: tls.excludeCiphers,
    mandatoryExcludeCiphers: tls.mandatoryExcludeCiphers,
    verifyCertMatch: tls.verifyCertMatch,
    secureCertMatch: tls.secureCertMatch,
    fingerprintCertMatch: tls.fingerprintCertMatch,
    trustAnchorFile: tls.trustAnchorFile,
    enableRpk: tls.enableRpk,
    connectionReuse: tls.connectionReuse,
    enforceStsMxPatterns: tls.enforceStsMxPatterns,
    daneInsecureMxPolicy: tls.daneInsecureMxPolicy,
    forceInsecureHostTlsaLookup: tls.forceInsecureHostTlsaLookup,
    dnssec: dnsSupportLevel === 'dnssec',
    hostLookup,
    ignoreMxLookupError,
    // The stub resolver takes every name as it is.
    resolverAppendsDomains: false,
    myhostname,
  };
}
