/** `mxtls probe`: what the mail hosts of a destination do about TLS, and what a delivery would make of it. */
import { parseCommandLine } from './args.js';
import { type Command, exitCode } from './command.js';
import { keyLogHelp } from './key-log-option.js';
import { wantsColors } from './paint.js';
import { parameterHelp } from './parameter-options.js';
import { probeOptionSpecs, type ProbeRequest, readProbe } from './probe-options.js';
import { probeCode } from './probe-report.js';
import { probeText } from './probe-text.js';

const help = `Usage: mxtls probe [-l LEVEL] [-r] [--all-mx] [--port N] [--connect HOST:PORT]
       [--nameserver ADDR:PORT ...] [--trust-ad] [--ca FILE] [-s NAME] [--rpk] [--no-sts]
       [--json] [--keylog FILE] [-c DIR] [-o NAME=VALUE ...] DESTINATION [MATCH ...]

Looks up the mail hosts of DESTINATION, decides the TLS policy, connects, and shows what a
delivery would find: DNS and how secure it is, TLSA records and which one matched, the TLS
session, the certificates. No mail is sent. The counterpart of posttls-finger.

DESTINATION is a domain, [host] for that host itself, or either with :PORT. MATCH are names
for the levels verify and secure (hostname, nexthop, dot-nexthop, a name, .suffix), or
digests for the level fingerprint; default: those of the parameters.

Options:
  -l, --level LEVEL         none, may, encrypt, fingerprint, dane, dane-only, verify or secure,
                            whatever tables say; default: that of the parameters, or dane.
                            With dane a policy of MTA-STS that is enforced does, too
  -r, --reconnect           connect a second time, to see whether the session is resumed
  --all-mx                  probe all hosts and addresses; without it, in order of preference
                            until one answers
  --port N                  port of the servers, and of their TLSA records; default: 25
  --connect HOST:PORT       connect there, whatever the addresses of the hosts are
  --nameserver ADDR:PORT    ask this DNS server; may be given many times; default: those of
                            /etc/resolv.conf. Only servers on loopback addresses are believed
                            when they say that an answer is secure
  --trust-ad                believe the others, too
  --ca FILE                 trust the CAs in FILE (PEM) and no others, for policies of MTA-STS,
                            too; default: the system's
  -s, --servername NAME     server name to send (SNI); with DANE the records decide
  --rpk                     ask for a raw public key (RFC 7250)
  --no-sts                  do not ask for a policy of MTA-STS. It is asked for where the
                            level is may or dane and there is no DANE
  --json                    print a JSON array, with one object per address
${keyLogHelp}
${parameterHelp}
  -h, --help                this text

Fields of the objects:
  destination, mx, mxSecurity ("secure", "insecure", "bogus" or null), address,
  addressSecurity, tlsaBase, tlsa (usage, selector, matchingType, data, usable),
  requestedLevel, effectiveLevel ("halfdane" and "none" are possible), status ("Anonymous",
  "Untrusted", "Trusted", "Verified" or null), tls (the TLS session, or null), matched (what
  the server was known by, or null), outcome ("ok", "plaintext", "defer" or "skip"), dsn, reason

Exit codes:
  0 the level is satisfied, 69 it is not (less than that, or a refusal for good), 75 it is not
  now (try again later), 64 wrong command line, 66 no such FILE, 78 wrong configuration

Examples:
  mxtls probe example.com
  mxtls probe -l dane-only -r --all-mx --nameserver 127.0.0.1:53 example.com
  mxtls probe -l secure '[mx.example.com]' mx.example.com
  mxtls probe -l fingerprint '[mx.example.com]:587' 6A:6C:38:...
  mxtls probe --connect 192.0.2.7:25 example.com      # the new server, before DNS changes
  mxtls probe --json --all-mx example.com | jq -r '.[] | .mx + " " + .outcome'
`;

async function run(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(args, probeOptionSpecs, Number.POSITIVE_INFINITY);
  if (line.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const request = await readProbe(line);
  const [{ probe }, { initLibrary }, { probeRecord }] = await Promise.all([
    import('../probe/probe.js'),
    import('../tls/library.js'),
    import('../probe/result.js'),
  ]);
  initLibrary(request.parameters.library);
  const results = await probe(request.options);
  await warnOfResolver(request, results);
  const { stdout, env } = process;
  stdout.write(
    line.flag('json')
      ? `${JSON.stringify(results.map(probeRecord), null, 2)}\n`
      : probeText(results, {
          colors: wantsColors(stdout, env),
          now: Date.now(),
          digest: request.options.smtp?.tls?.fingerprintDigest ?? 'sha256',
        }),
  );
  return probeCode(results, line.flag('all-mx'));
}

type Results = Awaited<ReturnType<typeof import('../probe/probe.js').probe>>;

/**
 * Where nothing is secure, it may be for the resolver's sake: then DANE protects nothing at all. A resolver that validates
 * marks even the absence of records in a signed zone as secure.
 */
async function warnOfResolver({ resolver }: ProbeRequest, results: Results): Promise<void> {
  const securities = results.flatMap(({ mxSecurity, addressSecurity }) => [
    mxSecurity,
    addressSecurity,
  ]);
  const dane = results.some(({ requestedLevel }) => requestedLevel?.startsWith('dane') === true);
  const proven = securities.some((security) => security === 'secure' || security === 'bogus');
  if (!dane || proven || !securities.includes('insecure')) {
    return;
  }
  const absence = await resolver.mx('org');
  if (absence.kind !== 'failure' && !absence.secure) {
    const { outcome, text } = await resolver.check();
    process.stderr.write(outcome === 'validates' ? '' : `mxtls: warning: ${text}\n`);
  }
}

export const probeCommand: Command = {
  name: 'probe',
  summary: 'what the mail hosts of a domain do about TLS',
  help,
  run,
};
