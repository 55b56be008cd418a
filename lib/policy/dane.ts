/**
 * What DNS makes of the levels dane and dane-only (RFC 7672), host by host: dane, halfdane, encrypt, may, or no delivery
 * to this host.
 */
import type { TlsaRecord } from '../dns/answer.js';
import { configurationProblem, type PolicyFacts, type PolicySettings } from './policy.js';
import type { Warn } from './table-policy.js';
import type { TlsaLookup, TlsaOutcome } from './tlsa-lookup.js';

export type DaneLevel = 'dane' | 'dane-only';

export type DaneOutcome =
  /** No DANE, or none that authenticates. */
  | { readonly kind: 'level'; readonly level: 'may' | 'encrypt' }
  | {
      readonly kind: 'dane';
      readonly level: DaneLevel | 'halfdane';
      readonly base: string;
      readonly records: readonly TlsaRecord[];
      /** What a certificate under a DANE-TA record may be called. */
      readonly names: readonly string[];
    }
  /** The host is skipped. */
  | { readonly kind: 'problem'; readonly text: string };

/** Decides for one host. */
export async function daneOutcome(
  level: DaneLevel,
  facts: PolicyFacts,
  settings: PolicySettings,
  tlsa: TlsaLookup,
  warn: Warn,
): Promise<DaneOutcome> {
  if (facts.destination === 'unix') {
    warn(
      `${facts.nexthop}: the "dane" security level is invalid for delivery via unix-domain sockets`,
    );
    return problem(configurationProblem);
  }
  const impossible = whyImpossible(level, settings);
  if (impossible !== null) {
    warn(`${facts.nexthop}: ${impossible}`);
    return weaker(level, 'may', configurationProblem);
  }
  const insecureMx = facts.hadMxLookup && !facts.mxSecure;
  if (insecureMx && level === 'dane-only') {
    return problem('non DNSSEC destination');
  }
  if (insecureMx && settings.daneInsecureMxPolicy === 'may') {
    return { kind: 'level', level: 'may' };
  }
  return withRecords(level, facts, await tlsa.find(facts), {
    insecureMx,
    encryptOnly: insecureMx && settings.daneInsecureMxPolicy === 'encrypt',
  });
}

function withRecords(
  level: DaneLevel,
  facts: PolicyFacts,
  found: TlsaOutcome,
  mx: { readonly insecureMx: boolean; readonly encryptOnly: boolean },
): DaneOutcome {
  if (found.kind === 'failure') {
    return problem(`TLSA lookup error for ${facts.host}:${facts.port}`);
  }
  if (found.kind === 'none') {
    return weaker(level, 'may', 'no TLSA records found');
  }
  if (found.records.length === 0) {
    return weaker(level, 'encrypt', 'TLSA records unusable');
  }
  if (mx.encryptOnly) {
    return { kind: 'level', level: 'encrypt' };
  }
  const { base, records } = found;
  const names = daneNames(base, facts);
  return { kind: 'dane', level: mx.insecureMx ? 'halfdane' : level, base, records, names };
}

/** The level dane makes do with less, dane-only does not. */
function weaker(level: DaneLevel, less: 'may' | 'encrypt', text: string): DaneOutcome {
  return level === 'dane' ? { kind: 'level', level: less } : problem(text);
}

/** The first precondition that does not hold. */
function whyImpossible(level: DaneLevel, settings: PolicySettings): string | null {
  if (!settings.dnssec || !settings.hostLookup.includes('dns')) {
    return `${level} configured with dnssec lookups disabled`;
  }
  if (settings.ignoreMxLookupError) {
    return `${level} configured with MX lookup errors ignored`;
  }
  return settings.resolverAppendsDomains
    ? `dns resolver options incompatible with ${level} TLS`
    : null;
}

/** RFC 7672, section 3.2.2: the base domain, and the names that MX records were found at and looked up for. */
function daneNames(base: string, facts: PolicyFacts): readonly string[] {
  const names = [base, facts.mxExpandedName, facts.mxName];
  const given = names.filter((name): name is string => name !== null);
  return [...new Set(given.map((name) => name.toLowerCase()))];
}

function problem(text: string): DaneOutcome {
  return { kind: 'problem', text };
}
