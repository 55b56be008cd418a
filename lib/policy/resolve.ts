/**
 * The policy of one host: table, or MTA-STS, or main.cf; then DNS; then what the level needs. The delivery engine calls
 * {@link PolicyResolver.resolvePolicy} once for each host that it is about to try.
 */
import type { DnsLookup } from '../dns/answer.js';
import { isDaneBased, mustEncrypt, type TlsLevel } from '../tls/levels.js';
import { SmallCache } from './cache.js';
import { completePolicy, hasMxPatterns, matchesMxPattern } from './complete.js';
import { type DaneDigest, readDaneDigests } from './dane-digests.js';
import { type DaneOutcome, daneOutcome } from './dane.js';
import { findPerSite, findPolicy, type Found, type NamedTable } from './find.js';
import { nexthopDomain } from './host-name.js';
import {
  configurationProblem,
  type HostPolicy,
  isProblem,
  type PolicyFacts,
  type PolicyProblem,
  policyProblem,
  type PolicySettings,
  type PolicySource,
} from './policy.js';
import { bareTablePolicy, readTablePolicy, type TablePolicy, type Warn } from './table-policy.js';
import { TlsaLookup } from './tlsa-lookup.js';
import { allMatchRawKeys, isLoadable, tlsaText } from './tlsa-records.js';
import { relaxedLevel } from './tls-required.js';

export interface PolicyResolverProps {
  readonly settings: PolicySettings;
  /** `smtp_tls_policy_maps`; null where the parameter is empty. */
  readonly policyMaps: readonly NamedTable[] | null;
  /** `smtp_tls_per_site`, which counts only without `policyMaps`. */
  readonly perSite: readonly NamedTable[];
  /**
   * MTA-STS: the policy of a next-hop domain in the form of a policy table, or null. Asked for where no table has the
   * next hop, main.cf says may or dane, and DNS has no DANE for the host (RFC 8461, section 2).
   */
  readonly sts?: (domain: string) => Promise<string | null>;
  readonly dns: Pick<DnsLookup, 'cname' | 'tlsa'>;
  /** `tls_dane_digests` */
  readonly daneDigests: readonly string[];
  readonly warn: Warn;
  /** Milliseconds, steadily forward; default: this process'. */
  readonly now?: () => number;
}

const cacheSize = 20;
const unavailable = 'server unavailable or unable to receive mail';

interface Chosen {
  readonly table: TablePolicy;
  readonly source: PolicySource;
}

/** Where wrappermode is to be expected. */
const smtpsPort = 465;

export class PolicyResolver {
  readonly #props: PolicyResolverProps;
  readonly #tlsa: TlsaLookup;
  readonly #digests: readonly DaneDigest[];
  readonly #cache = new SmallCache<Promise<HostPolicy | PolicyProblem>>(cacheSize);
  /** Where nothing depends on the host: the policy of all of them, for good. */
  #common: Promise<HostPolicy | PolicyProblem> | null = null;
  #commonKnown: HostPolicy | PolicyProblem | null = null;
  readonly #isCommon: boolean;

  constructor(props: PolicyResolverProps) {
    this.#props = props;
    const { digests, warnings } = readDaneDigests(props.daneDigests);
    for (const warning of warnings) {
      props.warn(warning);
    }
    if (props.policyMaps !== null && props.perSite.length > 0) {
      props.warn('smtp_tls_per_site ignored when smtp_tls_policy_maps is not empty.');
    }
    this.#digests = digests;
    this.#isCommon = dependsOnNothing(props);
    this.#tlsa = new TlsaLookup({
      dns: props.dns,
      warn: props.warn,
      forceInsecureHost: props.settings.forceInsecureHostTlsaLookup,
      now: props.now ?? (() => performance.now()),
    });
  }

  /**
   * The policy of a host.
   *
   * Of a problem the caller logs `warning` each time; reasons were logged when the problem was found. Problems are kept
   * like policies until {@link requestEnded}.
   */
  resolvePolicy(facts: PolicyFacts): Promise<HostPolicy | PolicyProblem> {
    const { nexthop, host, port, tlsRequiredNo } = facts;
    if (this.#hasCommon(facts)) {
      this.#common ??= this.#resolve(facts).then((policy) => {
        this.#commonKnown = policy;
        return policy;
      });
      return this.#common;
    }
    const key = JSON.stringify([nexthop, host, port, tlsRequiredNo]);
    const kept = this.#cache.get(key) ?? this.#resolve(facts);
    this.#cache.set(key, kept);
    return kept;
  }

  /** What {@link resolvePolicy} would say, where that is known without a look; else null. */
  commonPolicy(facts: PolicyFacts): HostPolicy | PolicyProblem | null {
    return this.#hasCommon(facts) ? this.#commonKnown : null;
  }

  #hasCommon({ port, tlsRequiredNo }: PolicyFacts): boolean {
    return this.#isCommon && !tlsRequiredNo && port !== smtpsPort;
  }

  /** At the end of a delivery request: the next one looks again. */
  requestEnded(): void {
    this.#cache.clear();
  }

  async #resolve(facts: PolicyFacts): Promise<HostPolicy | PolicyProblem> {
    const { settings, warn } = this.#props;
    const chosen = facts.tlsRequiredNo ? this.#relaxed() : await this.#choose(facts);
    if (isFailed(chosen)) {
      return chosen === 'unavailable'
        ? policyProblem(facts, 'Temporary lookup error', null, '4.3.0')
        : policyProblem(facts, configurationProblem);
    }
    const policy = await this.#apply(chosen, facts);
    if (isProblem(policy)) {
      return policy;
    }
    if (facts.port === smtpsPort && !settings.wrappermode && facts.destination === 'inet') {
      warn(
        'SMTPS wrappermode (TCP port 465) requires setting "smtp_tls_wrappermode = yes", and "smtp_tls_security_level = encrypt" (or stronger)',
      );
    }
    if (settings.wrappermode && !mustEncrypt(policy.level)) {
      const warning =
        'smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)';
      return {
        kind: 'problem',
        dsn: '4.3.0',
        text: unavailable,
        warning,
        levelKnown: policy.level,
        sts: null,
      };
    }
    return policy;
  }

  #relaxed(): Chosen {
    const { securityLevel, wrappermode } = this.#props.settings;
    const level = relaxedLevel(securityLevel, wrappermode);
    return { table: bareTablePolicy(level), source: 'tls-required-no' };
  }

  async #choose(facts: PolicyFacts): Promise<Chosen | 'invalid' | 'unavailable'> {
    const { policyMaps, perSite, settings, warn } = this.#props;
    const { securityLevel } = settings;
    const found: Found =
      policyMaps !== null
        ? await findPolicy(policyMaps, facts.nexthop, warn)
        : await findPerSite(perSite, facts, securityLevel, warn);
    if (found === null) {
      return { table: bareTablePolicy(securityLevel), source: 'global' };
    }
    const source = policyMaps !== null ? 'table' : 'per-site';
    return typeof found === 'string' ? found : { table: found, source };
  }

  async #apply(chosen: Chosen, facts: PolicyFacts): Promise<HostPolicy | PolicyProblem> {
    const { level } = chosen.table;
    if (level === 'dane' || level === 'dane-only') {
      const { settings, warn } = this.#props;
      const outcome = await daneOutcome(level, facts, settings, this.#tlsa, warn);
      if (outcome.kind === 'problem') {
        return policyProblem(facts, outcome.text);
      }
      return this.#afterDane(chosen, outcome, facts);
    }
    return this.#stsOrComplete(chosen, level, facts);
  }

  async #afterDane(
    chosen: Chosen,
    outcome: Exclude<DaneOutcome, { readonly kind: 'problem' }>,
    facts: PolicyFacts,
  ): Promise<HostPolicy | PolicyProblem> {
    if (outcome.kind === 'level') {
      return this.#stsOrComplete(chosen, outcome.level, facts);
    }
    const { level, base, records, names } = outcome;
    const policy = await this.#complete(chosen, level, facts);
    if (isProblem(policy)) {
      return policy;
    }
    const loadable = records.filter((record) => isLoadable(record, this.#digests));
    return {
      ...policy,
      sni: base,
      match: names,
      tlsa: records,
      tlsaBase: base,
      // Without a single one, too, as Postfix has it: smtp_tls_enable_rpk does not count at these levels.
      enableRpk: allMatchRawKeys(loadable),
      policyType: 'tlsa',
      policyDomain: base,
      policyStrings: records.map(tlsaText),
    };
  }

  async #stsOrComplete(
    chosen: Chosen,
    level: TlsLevel,
    facts: PolicyFacts,
  ): Promise<HostPolicy | PolicyProblem> {
    const { sts, warn } = this.#props;
    if (sts === undefined || chosen.source !== 'global' || level !== 'may') {
      return this.#complete(chosen, level, facts);
    }
    const domain = nexthopDomain(facts.nexthop);
    const value = await sts(domain);
    if (value === null) {
      return this.#complete(chosen, level, facts);
    }
    const table = readTablePolicy(value, `MTA-STS, next-hop destination "${domain}"`, warn);
    return table === null || isDaneBased(table.level)
      ? policyProblem(facts, configurationProblem)
      : this.#complete({ table, source: 'sts' }, table.level, facts);
  }

  async #complete(
    chosen: Chosen,
    level: TlsLevel,
    facts: PolicyFacts,
  ): Promise<HostPolicy | PolicyProblem> {
    const { settings, warn } = this.#props;
    const { source } = chosen;
    if (level === 'may' && facts.destination === 'unix') {
      warn(
        `${facts.nexthop}: opportunistic TLS encryption is not appropriate for unix-domain destinations.`,
      );
    }
    const actual = level === 'may' && facts.destination === 'unix' ? 'none' : level;
    const table = { ...chosen.table, level: actual };
    const policy = await completePolicy(table, source, facts, settings, warn);
    if (policy === null) {
      return policyProblem(facts, configurationProblem);
    }
    const { host } = facts;
    const patterns = table.mxHostPatterns;
    if (
      hasMxPatterns(table, settings) &&
      !patterns.some((pattern) => matchesMxPattern(host, pattern))
    ) {
      const domain = table.policyDomain ?? '';
      const warning = `MX name '${host}' does not match STS MX pattern for '${domain}'`;
      const problem = { kind: 'problem', dsn: '4.3.0', text: unavailable, warning } as const;
      return { ...problem, levelKnown: level, sts: policy };
    }
    return policy;
  }
}

function isFailed(chosen: Chosen | 'invalid' | 'unavailable'): chosen is 'invalid' | 'unavailable' {
  return typeof chosen === 'string';
}

/** No table, no DNS, no name. */
function dependsOnNothing({ settings, policyMaps, perSite, sts }: PolicyResolverProps): boolean {
  const { securityLevel, servername, wrappermode } = settings;
  const simple = ['none', 'may', 'encrypt'].includes(securityLevel);
  const tables = policyMaps !== null || perSite.length > 0 || sts !== undefined;
  return simple && !tables && servername === '' && !wrappermode;
}
