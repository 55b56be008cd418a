/** Settings and facts that policies are decided upon, with the defaults of main.cf. */
import type { DnsLookup, DnsResult, TlsaRecord } from '../../lib/dns/answer.js';
import type { PolicyFacts, PolicySettings } from '../../lib/policy/policy.js';
import { PolicyResolver, type PolicyResolverProps } from '../../lib/policy/resolve.js';

export const defaultSettings: PolicySettings = {
  securityLevel: 'may',
  wrappermode: false,
  servername: '',
  protocols: '>=TLSv1',
  mandatoryProtocols: '>=TLSv1.2',
  ciphers: 'medium',
  mandatoryCiphers: 'high',
  excludeCiphers: ['RC4'],
  mandatoryExcludeCiphers: ['3DES'],
  verifyCertMatch: ['hostname'],
  secureCertMatch: ['nexthop', 'dot-nexthop'],
  fingerprintCertMatch: [],
  trustAnchorFile: [],
  enableRpk: false,
  connectionReuse: false,
  enforceStsMxPatterns: true,
  daneInsecureMxPolicy: 'dane',
  forceInsecureHostTlsaLookup: false,
  dnssec: true,
  hostLookup: ['dns'],
  ignoreMxLookupError: false,
  resolverAppendsDomains: false,
  myhostname: 'client.example',
};

export function hostFacts(facts: Partial<PolicyFacts> = {}): PolicyFacts {
  const host = facts.host ?? 'mx.example.org';
  const nexthop = facts.nexthop ?? 'example.org';
  return {
    nexthop,
    destination: 'inet',
    host,
    expandedName: host,
    port: 25,
    addressSecure: true,
    hadMxLookup: true,
    mxSecure: true,
    mxName: nexthop,
    mxExpandedName: nexthop,
    tlsRequiredNo: false,
    ...facts,
  };
}

/** What a name server says of `type name`, such as `tlsa _25._tcp.mx.example.org`; it has nothing else. */
export type Zone = Readonly<Record<string, DnsResult<TlsaRecord> | DnsResult<string>>>;

export interface PolicyWorld {
  readonly resolver: PolicyResolver;
  readonly warnings: string[];
  /** In the form of a {@link Zone}. */
  readonly asked: string[];
}

export function policyWorld(
  props: Partial<Omit<PolicyResolverProps, 'settings' | 'dns'>> & {
    readonly settings?: Partial<PolicySettings>;
    readonly zone?: Zone;
  } = {},
): PolicyWorld {
  const warnings: string[] = [];
  const asked: string[] = [];
  const answer = <Data>(question: string, name: string): Promise<DnsResult<Data>> => {
    asked.push(question);
    const found = props.zone?.[question] as DnsResult<Data> | undefined;
    return Promise.resolve(
      found ?? { kind: 'none', reason: 'nxdomain', secure: true, name, ttl: 60 },
    );
  };
  const dns: Pick<DnsLookup, 'cname' | 'tlsa'> = {
    cname: (name) => answer(`cname ${name}`, name),
    tlsa: (name) => answer(`tlsa ${name}`, name),
  };
  const { settings, zone: _, ...others } = props;
  const resolver = new PolicyResolver({
    policyMaps: null,
    perSite: [],
    daneDigests: ['sha512', 'sha256'],
    warn: (text) => warnings.push(text),
    ...others,
    settings: { ...defaultSettings, ...settings },
    dns,
  });
  return { resolver, warnings, asked };
}

/** `3 1 1` and data in hex. */
export function tlsaRecord(text: string): TlsaRecord {
  const [usage, selector, matchingType, hex = ''] = text.split(' ');
  return {
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    data: Buffer.from(hex, 'hex'),
  };
}

export const failure = { kind: 'failure', reason: 'servfail', text: 'SERVFAIL' } as const;

export function tlsaFound(
  owner: string,
  texts: readonly string[],
  more: { readonly secure?: boolean; readonly name?: string; readonly ttl?: number } = {},
): DnsResult<TlsaRecord> {
  const records = texts.map(tlsaRecord);
  return { kind: 'found', records, secure: true, name: owner, ttl: 60, ...more };
}
