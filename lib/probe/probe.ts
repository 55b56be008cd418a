/**
 * Probing the mail hosts of a destination: what DNS says, what policy comes of it, and how a server keeps up with it.
 * No mail is sent; the dialogue ends with QUIT after STARTTLS and EHLO.
 */
import { resolveSmtp } from '../config/check.js';
import type { ResolvedSmtp } from '../config/options.js';
import { type Nexthop, parseNexthop, portNumber } from '../delivery/nexthop.js';
import { TlsError } from '../errors.js';
import { isPkix } from '../tls/levels.js';
import { findProbeHosts } from './hosts.js';
import { HostProbe } from './host-probe.js';
import type { ProbeOptions } from './options.js';
import type { ProbeResult } from './result.js';
import { ProbeTables } from './tables.js';

/**
 * Probes a destination as the smtp engine would deliver to it.
 *
 * ```ts
 * const dns = new Resolver({ servers: ['127.0.0.1:53'] });
 * const [first] = await probe({ destination: 'example.com', level: 'dane', dns });
 * first.status; // 'Verified'
 * first.matched; // { kind: 'tlsa', value: '3 1 1 …', depth: 0, … }
 * isSatisfied(first); // true
 * ```
 *
 * The result has one element for each address that was tried, in order: up to the first server that answered, or all of
 * them with `allMx`; a host without an address, or that the policy skips, is an element, too. Whatever servers and
 * networks do is in there: `outcome`, `dsn`, `reason`.
 *
 * @throws TlsError (rejects) `INVALID_ARGUMENT`, `INVALID_PARAMETER`, `UNKNOWN_OPTION`, `LOOKUP_TABLE`, `CHAIN_*`,
 *   `CA_LOAD`: the options are wrong
 */
export async function probe(options: ProbeOptions): Promise<readonly ProbeResult[]> {
  const smtp = settings(options);
  const nexthop = readNexthop(options, smtp);
  const notes = [...matchNotes(options, smtp)];
  const tables = await ProbeTables.open(smtp, (text) => notes.push(text));
  try {
    const { dns } = options;
    const found = await findProbeHosts(dns, nexthop, smtp);
    const prober = new HostProbe({ options, smtp, nexthop, found, tables, notes });
    const results: ProbeResult[] = [];
    for (const host of found.hosts) {
      const { result, answered } = await prober.run(host);
      results.push(result);
      if (answered && options.allMx !== true) {
        break;
      }
    }
    return results;
  } finally {
    tables.close();
  }
}

/** The parameters with what the caller said over them: a level of the caller's leaves tables aside. */
function settings({ smtp = {}, level, match = [] }: ProbeOptions): ResolvedSmtp {
  const resolved = resolveSmtp({ dnsSupportLevel: 'dnssec', ...smtp });
  const { verifyCertMatch, secureCertMatch, fingerprintCertMatch } = resolved.tls;
  const matched = (usual: readonly string[]): readonly string[] =>
    match.length === 0 ? usual : match;
  return {
    ...resolved,
    tls: {
      ...resolved.tls,
      securityLevel: level ?? smtp.tls?.securityLevel ?? 'dane',
      ...(level === undefined ? {} : { policyMaps: [], perSite: [] }),
      verifyCertMatch: matched(verifyCertMatch),
      secureCertMatch: matched(secureCertMatch),
      fingerprintCertMatch: matched(fingerprintCertMatch),
    },
  };
}

/** As posttls-finger says it. */
function matchNotes({ match = [], level }: ProbeOptions, { tls }: ResolvedSmtp): readonly string[] {
  const { securityLevel, policyMaps, perSite } = tls;
  // Without a level of the caller's a table may say one that matches.
  const known = level !== undefined || policyMaps.length + perSite.length === 0;
  return match.length === 0 || !known || securityLevel === 'fingerprint' || isPkix(securityLevel)
    ? []
    : [`level ${securityLevel} does not compare with names or digests: ${match.join(', ')}`];
}

function readNexthop(options: ProbeOptions, { tls, tcpPort }: ResolvedSmtp): Nexthop {
  const usual = tls.wrappermode && tcpPort === 'smtp' ? 465 : (portNumber(tcpPort) ?? 25);
  const nexthop = parseNexthop(options.destination, options.port ?? usual);
  if (options.port !== undefined && nexthop.port !== options.port) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `the destination "${options.destination}" has another port than ${options.port}`,
      suggestion: 'give one of them',
    });
  }
  return nexthop;
}
