/** From the parameters of the smtp engine to what policies are decided upon, with what the probe was told over them. */
import { hostname } from 'node:os';
import type { ResolvedSmtp } from '../config/options.js';
import type { PolicySettings } from '../policy/policy.js';
import type { ClientSecurityLevel } from '../tls/levels.js';
import type { ProbeOptions } from './options.js';

/** The level: of the command line, of the parameters; where neither has one, `dane`, as with posttls-finger. */
export function globalLevel(options: ProbeOptions): ClientSecurityLevel {
  return options.level ?? options.smtp?.tls?.securityLevel ?? 'dane';
}

export function policySettings(options: ProbeOptions, smtp: ResolvedSmtp): PolicySettings {
  const { tls } = smtp;
  const securityLevel = globalLevel(options);
  return {
    securityLevel,
    wrappermode: tls.wrappermode,
    servername: tls.servername,
    protocols: tls.protocols,
    mandatoryProtocols: tls.mandatoryProtocols,
    ciphers: tls.ciphers,
    mandatoryCiphers: tls.mandatoryCiphers,
    excludeCiphers: tls.excludeCiphers,
    mandatoryExcludeCiphers: tls.mandatoryExcludeCiphers,
    verifyCertMatch: ['hostname'],
    secureCertMatch: ['nexthop', 'dot-nexthop'],
    fingerprintCertMatch: [],
    trustAnchorFile: [],
    enableRpk: tls.enableRpk,
    connectionReuse: false,
    enforceStsMxPatterns: true,
    daneInsecureMxPolicy: 'dane',
    forceInsecureHostTlsaLookup: false,
    dnssec: true,
    hostLookup: ['dns'],
    ignoreMxLookupError: false,
    resolverAppendsDomains: false,
    myhostname: hostname(),
    ...options.settings,
    ...matchSettings(options.match ?? []),
  };
}

function matchSettings(match: readonly string[]): Partial<PolicySettings> {
  return match.length === 0
    ? {}
    : { verifyCertMatch: match, secureCertMatch: match, fingerprintCertMatch: match };
}
