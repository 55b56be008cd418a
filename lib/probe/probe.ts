/**
 * Probing the mail hosts of a destination: what DNS says, what policy comes of it, and how a server keeps up with it.
 * No mail is sent; the dialogue ends with QUIT after STARTTLS and EHLO.
 */
import { resolveSmtp } from '../config/check.js';
import type { ResolvedSmtp } from '../config/options.js';
import { TlsError } from '../errors.js';
import { parseProbeNexthop } from './nexthop.js';
import { findProbeHosts, type FoundHosts } from './hosts.js';
import { HostProbe } from './host-probe.js';
import type { ProbeOptions } from './options.js';
import type { ProbeResult } from './result.js';

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
 * @throws TlsError (rejects) `INVALID_ARGUMENT`, `INVALID_PARAMETER`, `UNKNOWN_OPTION`, `CHAIN_*`, `CA_LOAD`: the options
 *   are wrong
 */
export async function probe(options: ProbeOptions): Promise<readonly ProbeResult[]> {
  const smtp = resolveSmtp(options.smtp ?? {});
  const nexthop = parseProbeNexthop(options.destination);
  const port = portOf(options, nexthop.port, smtp);
  const found = await findProbeHosts(options.dns, nexthop.domain, nexthop.bracketed);
  const prober = new HostProbe({ options, smtp, port, found });
  return probeHosts(prober, found, options.allMx ?? false);
}

async function probeHosts(
  prober: HostProbe,
  { hosts }: FoundHosts,
  all: boolean,
): Promise<readonly ProbeResult[]> {
  const results: ProbeResult[] = [];
  for (const host of hosts) {
    const { result, answered } = await prober.run(host);
    results.push(result);
    if (answered && !all) {
      break;
    }
  }
  return results;
}

function portOf(options: ProbeOptions, own: number | null, smtp: ResolvedSmtp): number {
  if (options.port !== undefined && own !== null && options.port !== own) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `the destination "${options.destination}" has another port than ${options.port}`,
      suggestion: 'give one of them',
    });
  }
  return options.port ?? own ?? (smtp.tls.wrappermode ? 465 : 25);
}
