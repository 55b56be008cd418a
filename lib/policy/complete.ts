/** What a table leaves open is filled from main.cf; what the level needs is checked. */
import { parseGrade } from '../tls/ciphers.js';
import { isPkix, type TlsLevel } from '../tls/levels.js';
import { anchorFileFault } from './anchors.js';
import { readFingerprints } from './fingerprints.js';
import { isHostName, nexthopDomain } from './host-name.js';
import { referenceNames } from './names.js';
import {
  type HostPolicy,
  isTested,
  type PolicyFacts,
  type PolicySettings,
  type PolicySource,
} from './policy.js';
import { bareTablePolicy, type TablePolicy, type Warn } from './table-policy.js';

/** Everything but DANE. @returns null: the policy is invalid, and `warn` has got the reason */
export async function completePolicy(
  table: TablePolicy,
  source: PolicySource,
  facts: PolicyFacts,
  settings: PolicySettings,
  warn: Warn,
): Promise<HostPolicy | null> {
  const { level } = table;
  if (level === 'none') {
    return { ...common(bareTablePolicy('none'), source, settings), sni: null };
  }
  const sni = serverName(table, facts, settings, warn);
  if (sni === undefined) {
    return null;
  }
  const matched = await matching(table, facts, settings, warn);
  if (matched === null) {
    return null;
  }
  const policy = { ...common(table, source, settings), sni, ...matched };
  return isTested(policy) ? withCertificate(policy, facts.host) : policy;
}

/** What an enforced policy asks for: the certificate for this host, by SNI, and its names (RFC 8461 section 4). */
function withCertificate(policy: HostPolicy, host: string): HostPolicy {
  const exclude = [...policy.exclude, 'aNULL'];
  return { ...policy, match: [host], exclude, sni: policy.sni ?? host, enableRpk: false };
}

function common(
  table: TablePolicy,
  source: PolicySource,
  settings: PolicySettings,
): Omit<HostPolicy, 'sni'> {
  const mandatory = table.level !== 'may';
  const configured = [
    ...settings.excludeCiphers,
    ...(mandatory ? settings.mandatoryExcludeCiphers : []),
  ];
  const grade = table.ciphers ?? (mandatory ? settings.mandatoryCiphers : settings.ciphers);
  const protocols = mandatory ? settings.mandatoryProtocols : settings.protocols;
  return {
    level: table.level,
    source,
    protocols: table.protocols ?? protocols,
    ciphers: parseGrade(grade),
    exclude: table.exclude ?? configured,
    match: [],
    tlsa: [],
    tlsaBase: null,
    trustAnchorFiles: [],
    enableRpk: asksForRawKeys(table.level) && (table.enableRpk ?? settings.enableRpk),
    connectionReuse: table.connectionReuse ?? settings.connectionReuse ?? false,
    failure: table.policyFailure,
    forcedFailure: table.policyFailure !== null,
    sessionWarnings: [],
    policyType: table.policyType,
    policyDomain: table.policyDomain,
    policyStrings: table.policyStrings,
    mxHostPatterns: table.mxHostPatterns,
  };
}

/** A raw key has no name that verify and secure could check; at the levels of DANE the records decide. */
function asksForRawKeys(level: TlsLevel): boolean {
  return level === 'may' || level === 'encrypt' || level === 'fingerprint';
}

/** @returns null for none, undefined for a setting that cannot be used */
function serverName(
  table: TablePolicy,
  facts: PolicyFacts,
  settings: PolicySettings,
  warn: Warn,
): string | null | undefined {
  const name = table.servername ?? settings.servername;
  if (name === '') {
    return null;
  }
  if (!isHostName(name)) {
    warn(`"smtp_tls_servername = ${name}" specifies an invalid hostname`);
    return undefined;
  }
  switch (name.toLowerCase()) {
    case 'hostname':
      return facts.host;
    case 'nexthop':
      return facts.destination === 'unix' ? settings.myhostname : nexthopDomain(facts.nexthop);
    default:
      return name;
  }
}

async function matching(
  table: TablePolicy,
  facts: PolicyFacts,
  settings: PolicySettings,
  warn: Warn,
): Promise<Partial<HostPolicy> | null> {
  if (table.level === 'fingerprint') {
    return fingerprints(table, facts, settings, warn);
  }
  if (!isPkix(table.level)) {
    return {};
  }
  const files =
    table.trustAnchorFiles.length > 0 ? table.trustAnchorFiles : settings.trustAnchorFile;
  for (const file of files) {
    const fault = await anchorFileFault(file);
    if (fault !== null) {
      warn(fault);
      return null;
    }
  }
  const strategies = hasMxPatterns(table, settings) ? ['hostname'] : table.match;
  const configured = table.level === 'verify' ? settings.verifyCertMatch : settings.secureCertMatch;
  const { names, warnings } = referenceNames(strategies ?? configured, facts, settings.myhostname);
  return {
    match: names,
    sessionWarnings: warnings,
    trustAnchorFiles: files,
    forcedFailure: table.policyFailure !== null || names.length === 0,
  };
}

function fingerprints(
  table: TablePolicy,
  facts: PolicyFacts,
  settings: PolicySettings,
  warn: Warn,
): Partial<HostPolicy> | null {
  const { digests, warnings } = readFingerprints(table.match ?? settings.fingerprintCertMatch);
  for (const warning of warnings) {
    warn(warning);
  }
  if (digests.length === 0) {
    warn(
      `nexthop domain ${facts.nexthop}: configured at fingerprint security level, but with no fingerprints to match.`,
    );
    return null;
  }
  return { match: digests };
}

/** MTA-STS names the hosts by patterns, so that the certificate has to be for the host itself (RFC 8461, section 4.1). */
export function hasMxPatterns(table: TablePolicy, settings: PolicySettings): boolean {
  return (
    settings.enforceStsMxPatterns &&
    table.policyType === 'sts' &&
    isPkix(table.level) &&
    table.match !== null &&
    table.mxHostPatterns.length > 0
  );
}

/** Equal, or `*.suffix` with one label in the place of the star (RFC 8461, section 4.1). */
export function matchesMxPattern(host: string, pattern: string): boolean {
  const name = host.toLowerCase();
  const wanted = pattern.toLowerCase();
  if (!wanted.startsWith('*.')) {
    return name === wanted;
  }
  const dot = name.indexOf('.');
  return dot > 0 && name.slice(dot) === wanted.slice(1);
}
