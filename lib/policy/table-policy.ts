/**
 * One value of `smtp_tls_policy_maps`: its level and attributes, or why it is not valid.
 *
 * One bad attribute makes the whole policy invalid: mail waits rather than leaves with less than was asked for. What is
 * wrong is said in Postfix's words.
 */
import { TlsError } from '../errors.js';
import { parseGrade, splitExclusions } from '../tls/ciphers.js';
import { clientLevel, isPkix, type TlsLevel } from '../tls/levels.js';
import { parseProtocols } from '../tls/protocols.js';
import { policyElements, readAttribute } from './attributes.js';
import { hostNameFault, isHostName } from './host-name.js';
import { splitFingerprints } from './fingerprints.js';
import { splitStrategies } from './names.js';

/** What a table says; null and empty: it says nothing. */
export interface TablePolicy {
  level: TlsLevel;
  match: readonly string[] | null;
  protocols: string | null;
  ciphers: string | null;
  exclude: readonly string[] | null;
  servername: string | null;
  trustAnchorFiles: readonly string[];
  connectionReuse: boolean | null;
  enableRpk: boolean | null;
  policyType: 'sts' | 'no-policy-found' | null;
  policyDomain: string | null;
  policyTtl: number | null;
  policyStrings: readonly string[];
  mxHostPatterns: readonly string[];
  policyFailure: string | null;
}

export type Warn = (text: string) => void;

/**
 * Reads a policy.
 *
 * @param where `smtp_tls_policy_maps, next-hop destination "example.org"`: begins each warning
 * @returns null for an invalid one; `warn` has got the reason
 */
export function readTablePolicy(value: string, where: string, warn: Warn): TablePolicy | null {
  const report = (text: string): null => {
    warn(`${where}: ${text}`);
    return null;
  };
  const [name, ...elements] = policyElements(value);
  if (name === undefined) {
    return report('invalid empty policy');
  }
  const level = clientLevel(name);
  if (level === null) {
    return report(`invalid security level "${name}"`);
  }
  const policy = bareTablePolicy(level);
  if (level === 'none') {
    for (const element of elements) {
      report(`ignoring attribute "${element}" with TLS disabled`);
    }
    return policy;
  }
  for (const element of elements) {
    const fault = addAttribute(policy, element, warn);
    if (fault !== null) {
      return report(fault);
    }
  }
  return saysTooMuch(policy) ? report(tooMuch) : policy;
}

export function bareTablePolicy(level: TlsLevel): TablePolicy {
  return {
    level,
    match: null,
    protocols: null,
    ciphers: null,
    exclude: null,
    servername: null,
    trustAnchorFiles: [],
    connectionReuse: null,
    enableRpk: null,
    policyType: null,
    policyDomain: null,
    policyTtl: null,
    policyStrings: [],
    mxHostPatterns: [],
    policyFailure: null,
  };
}

const tooMuch =
  'built-in policy has unexpected attribute policy_ttl, policy_domain, policy_string, mx_host_pattern or policy_failure';

function saysTooMuch(policy: TablePolicy): boolean {
  return (
    policy.policyType === null &&
    (policy.policyTtl !== null ||
      policy.policyDomain !== null ||
      policy.policyFailure !== null ||
      policy.policyStrings.length > 0 ||
      policy.mxHostPatterns.length > 0)
  );
}

/** @returns what is wrong, or null */
type Setter = (policy: TablePolicy, name: string, value: string, warn: Warn) => string | null;

function addAttribute(policy: TablePolicy, element: string, warn: Warn): string | null {
  const attribute = readAttribute(element);
  if ('fault' in attribute) {
    return `malformed attribute/value pair "${attribute.text}": ${attribute.fault}`;
  }
  const name = attribute.name.toLowerCase();
  const set = Object.hasOwn(setters, name) ? setters[name] : undefined;
  return set === undefined
    ? `invalid attribute name: "${attribute.name}"`
    : set(policy, attribute.name, attribute.value, warn);
}

const again = (name: string): string => `attribute "${name}" is specified multiple times`;
const empty = (name: string): string => `attribute "${name}" has empty value`;
const malformed = (name: string, value: string): string =>
  `attribute "${name}" has a malformed value: "${value}"`;
const unexpected = (name: string, value: string): string =>
  `attribute "${name}" has an unexpected value: "${value}"`;

const setters: Readonly<Record<string, Setter>> = {
  match: (policy, name, value) => {
    if (!(isPkix(policy.level) || policy.level === 'fingerprint')) {
      return `attribute "${name}" invalid at security level "${policy.level}"`;
    }
    const split = policy.level === 'fingerprint' ? splitFingerprints : splitStrategies;
    policy.match = [...(policy.match ?? []), ...split(value)];
    return value === '' ? empty(name) : null;
  },
  tafile: (policy, name, value) => {
    if (!isPkix(policy.level)) {
      return `attribute "${name}" invalid at security level "${policy.level}"`;
    }
    policy.trustAnchorFiles = [...policy.trustAnchorFiles, value];
    return value === '' ? empty(name) : null;
  },
  protocols: (policy, name, value) => {
    const fault = policy.protocols === null ? faultOf(() => parseProtocols(value)) : again(name);
    policy.protocols = value;
    return fault === 'fault' ? `Invalid TLS protocol list "${value}"` : fault;
  },
  ciphers: (policy, name, value) => {
    if (value === '') {
      return empty(name);
    }
    const fault = policy.ciphers === null ? faultOf(() => parseGrade(value)) : again(name);
    policy.ciphers = value;
    return fault === 'fault' ? `invalid cipher grade: "${value}"` : fault;
  },
  exclude: (policy, name, value) => {
    if (policy.exclude !== null) {
      return again(name);
    }
    policy.exclude = value.split(/[\s,:]+/).filter((word) => word !== '');
    const fault = faultOf(() => splitExclusions(policy.exclude ?? []));
    return fault === null ? null : `invalid unary '!+-@' in cipher exclusion: ${value}`;
  },
  servername: (policy, name, value) => {
    if (policy.servername !== null) {
      return again(name);
    }
    policy.servername = value;
    return isHostName(value) ? null : `"${name}=${value}" specifies an invalid hostname`;
  },
  connection_reuse: (policy, name, value) => {
    policy.connectionReuse = yesOrNo(value);
    return policy.connectionReuse === null ? badValue(name, value) : null;
  },
  enable_rpk: (policy, name, value) => {
    policy.enableRpk = yesOrNo(value);
    return policy.enableRpk === null ? badValue(name, value) : null;
  },
  policy_type: (policy, name, value) => {
    if (policy.policyType !== null) {
      return again(name);
    }
    const type = value.toLowerCase();
    if (type !== 'sts' && type !== 'no-policy-found') {
      return unexpected(name, value);
    }
    policy.policyType = type;
    return null;
  },
  policy_domain: (policy, name, value, warn) => {
    if (policy.policyDomain !== null) {
      return again(name);
    }
    const fault = hostNameFault(value);
    if (fault !== null) {
      warn(`valid_hostname: ${fault}`);
    }
    policy.policyDomain = value;
    return fault === null ? null : malformed(name, value);
  },
  policy_ttl: (policy, name, value) => {
    if (policy.policyTtl !== null) {
      return again(name);
    }
    policy.policyTtl = Number(value);
    return /^\d+$/.test(value) ? null : malformed(name, value);
  },
  policy_string: (policy, _name, value) => {
    policy.policyStrings = [...policy.policyStrings, value];
    return null;
  },
  mx_host_pattern: (policy, _name, value) => {
    policy.mxHostPatterns = [...policy.mxHostPatterns, value];
    return null;
  },
  policy_failure: (policy, name, value) => {
    if (policy.policyFailure !== null) {
      return again(name);
    }
    policy.policyFailure = value.toLowerCase();
    return failures.includes(policy.policyFailure) ? null : unexpected(name, value);
  },
};

const failures: readonly string[] = [
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
  'validation-failure',
];

function badValue(name: string, value: string): string {
  return `attribute "${name}" has bad value: "${value}"`;
}

function yesOrNo(value: string): boolean | null {
  const folded = value.toLowerCase();
  return folded === 'yes' ? true : folded === 'no' ? false : null;
}

/** What the TLS side would refuse at the handshake is refused here: at level may the mail could go in the clear. */
function faultOf(read: () => unknown): 'fault' | null {
  try {
    read();
    return null;
  } catch (error) {
    if (error instanceof TlsError) {
      return 'fault';
    }
    throw error;
  }
}
