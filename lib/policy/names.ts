/**
 * What a certificate may be called at levels verify and secure: matching strategies to reference names, which OpenSSL
 * compares with the certificate.
 */
import { isIP } from 'node:net';
import { aLabels, asciiDots, nexthopDomain } from './host-name.js';
import type { PolicyFacts } from './policy.js';

export interface ReferenceNames {
  /** A-label form; a leading dot stands for any sub-domain. */
  readonly names: readonly string[];
  /** To be logged by each session. */
  readonly warnings: readonly string[];
}

/** @param myhostname stands for the next hop of a UNIX-domain destination */
export function referenceNames(
  strategies: readonly string[],
  facts: Pick<PolicyFacts, 'host' | 'nexthop' | 'destination'>,
  myhostname: string,
): ReferenceNames {
  const nexthop = facts.destination === 'unix' ? myhostname : nexthopDomain(facts.nexthop);
  const names = new Set<string>();
  const warnings: string[] = [];
  for (const strategy of strategies) {
    const wanted = strategyName(strategy, facts.host, nexthop);
    const name = referenceName(wanted);
    if (name !== null && !isSecondAddress(name, names)) {
      names.add(name);
    } else {
      warnings.push(
        asciiDots(wanted) === '.'
          ? 'ignoring invalid match name: "."'
          : `error loading match name: "${wanted}"`,
      );
    }
  }
  if (names.size === 0) {
    warnings.push('could not configure peer name checks');
  }
  return { names: [...names], warnings };
}

/** Strategies as `smtp_tls_*_cert_match` and the attribute `match` have them. */
export function splitStrategies(text: string): readonly string[] {
  return text.split(/[\s,:]+/).filter((word) => word !== '');
}

function strategyName(strategy: string, host: string, nexthop: string): string {
  switch (strategy.toLowerCase()) {
    case 'hostname':
      return host;
    case 'nexthop':
      return nexthop;
    case 'dot-nexthop':
      return `.${nexthop}`;
    default:
      return strategy;
  }
}

function referenceName(wanted: string): string | null {
  const dotted = asciiDots(wanted);
  const suffix = dotted.startsWith('.');
  const name = aLabels(suffix ? dotted.slice(1) : dotted);
  if (name === null || name === '') {
    return null;
  }
  return suffix ? `.${name}` : name;
}

/** OpenSSL 3 compares a certificate with one address at most: SSL_add1_host() fails for the next, be it the same. */
function isSecondAddress(name: string, names: ReadonlySet<string>): boolean {
  return isIP(name) !== 0 && [...names].some((other) => isIP(other) !== 0);
}
