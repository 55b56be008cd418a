/** `mxtls send`: delivers one message with the smtp engine. */
import type { SmtpOptions } from '../client.js';
import { resolveSmtp } from '../config/check.js';
import type { ParameterOptions } from '../config/from-parameters.js';
import type { DeliveryReport } from '../delivery/report.js';
import { streamLogger } from '../log/logger.js';
import { isDaneBased, usesTls } from '../tls/levels.js';
import { parseCommandLine } from './args.js';
import { type Command, exitCode } from './command.js';
import { keyLogHelp, keyLogOption, readKeyLog } from './key-log-option.js';
import { parameterHelp, parameterOption, readParameterOptions } from './parameter-options.js';
import { reportRows, worstCode } from './send-report.js';
import { readMessage, readRequest, type SendRequest, withTlsRequiredNo } from './send-request.js';
import { firstSignal } from './signals.js';
import { openTlsmgr, readTlsmgr, type TlsmgrChoice, tlsmgrOption } from './tlsmgr-option.js';

const help = `Usage: mxtls send --from SENDER --to RECIPIENT ... [--nexthop NEXTHOP] [--nameserver ADDR:PORT ...]
       [--tls-required-no] [--requiretls] [--arrival-time TIME] [--json] [--keylog FILE]
       [--tlsmgr SOCKET|ADDRESS]
       [-c DIR] [-o NAME=VALUE ...] [FILE|-]

Delivers a message by SMTP and prints how that went: a line about TLS, and one line per
recipient. The message is read from FILE, or from standard input; line ends may be LF.

Options:
  --from ADDRESS            envelope sender; '' for the null sender
  --to ADDRESS              recipient; may be given many times
  --nexthop NEXTHOP         where to: DOMAIN or DOMAIN:PORT for the MX hosts of a domain, [HOST]
                            or [HOST]:PORT for one server by name or address. Without it, to
                            the domain of each recipient
  --nameserver ADDR:PORT    DNS server instead of those of /etc/resolv.conf; may be given many
                            times. What one on a loopback address says of DNSSEC is believed
  --tls-required-no         put "TLS-Required: No" into the message: delivery before proof, no
                            policy holds it up
  --arrival-time TIME       when the message entered your queue: seconds since 1970, or a
                            date such as 2026-01-31T12:00:00Z; default: now. At TLS level
                            "may", a delivery falls back to plaintext only when the message
                            has waited for minimal_backoff_time
  --requiretls              ask for REQUIRETLS (RFC 8689): no plaintext, no server that cannot prove its
                            identity, as strictly as smtp_requiretls_policy says
  --json                    print a JSON array instead, with one object per recipient, and
                            the lines on standard error
  --tlsmgr SOCKET|ADDRESS   share TLS sessions with other processes: through "mxtls tlsmgr" on
                            this UNIX socket, or through a Valkey or Redis
                            (redis://HOST?wrapping-key=FILE). Default: tlsmgr_service_name
${keyLogHelp}
${parameterHelp}
  -h, --help                this text

The TLS level is smtp_tls_security_level: none, may (default), encrypt, or one at which the
server proves who it is: fingerprint, dane, dane-only, verify, secure. The levels of DANE need
smtp_dns_support_level = dnssec, which goes with them here, and a resolver that validates.
smtp_tls_loglevel is 1 and smtp_quit_timeout 5s here.

Fields of the objects:
  recipient, status ("sent", "deferred" or "bounced"), dsn, reply, relay ("host[address]:port"
  or null), delay, delays (four numbers: in the queue, waiting, connecting, sending),
  tls ("may:none", the field of the delivery record, or null), tlsStatus ("Anonymous",
  "Untrusted", "Trusted", "Verified" or null), snapshot (the TLS session, or null)

The first SIGINT or SIGTERM lets a delivery come to its end, so that its outcome is known;
a second one ends at once.

Exit codes:
  0 sent to all recipients, 75 deferred for one at least (try again later), 69 refused,
  64 wrong command line, 66 no such FILE, 78 wrong configuration

Examples:
  mxtls send --from me@example.org --to you@example.com -o smtp_tls_security_level=dane message.eml
  mxtls send --from me@example.org --to you@example.com --nexthop '[127.0.0.1]:2525' message.eml
  echo 'Subject: hello' | mxtls send --from '' --to you@example.com --nexthop '[mx.example.com]:25'
  mxtls send --from me@example.org --to you@example.com --nexthop '[mx.example.com]:465' \\
      -o smtp_tls_wrappermode=yes -o smtp_tls_security_level=encrypt message.eml
  mxtls send --from me@example.org --to you@example.com --nexthop '[mx.example.com]:25' \\
      --json message.eml | jq -r '.[] | .status + " " + .tls'
`;

const specs = {
  from: { type: 'string' },
  to: { type: 'string', multiple: true },
  nexthop: { type: 'string' },
  nameserver: { type: 'string', multiple: true },
  'tls-required-no': { type: 'boolean' },
  'arrival-time': { type: 'string' },
  requiretls: { type: 'boolean' },
  json: { type: 'boolean' },
  tlsmgr: tlsmgrOption.tlsmgr,
  ...keyLogOption,
  ...parameterOption,
} as const;

/** A person waits at the other end: not for minutes, when a server does not hang up. */
const defaults = ['smtp_tls_loglevel=1', 'smtp_quit_timeout=5s'];

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, specs, 1);
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const request = readRequest(options);
  const parameters = readParameterOptions(options, 'smtp', defaults);
  await checkConfiguration(parameters);
  const nameservers = options.strings('nameserver');
  const smtp = {
    ...withDnssec(parameters.smtp),
    ...readKeyLog(options),
    ...(nameservers.length === 0 ? {} : { nameservers }),
  };
  const report = await deliver(request, smtp, options.flag('json'), readTlsmgr(options));
  if (options.flag('json')) {
    const tlsField = parameters.smtp.logTlsFeatureStatus ?? true;
    process.stdout.write(`${JSON.stringify(reportRows(report, tlsField), null, 2)}\n`);
  }
  return worstCode(report.recipients.map(({ status }) => status));
}

/** Who asks for DANE by hand means it. */
function withDnssec(options: SmtpOptions): SmtpOptions {
  const dane = isDaneBased(options.tls?.securityLevel ?? 'none');
  return dane && options.dnsSupportLevel === undefined
    ? { ...options, dnsSupportLevel: 'dnssec' }
    : options;
}

async function deliver(
  request: SendRequest,
  options: SmtpOptions,
  json: boolean,
  where: TlsmgrChoice | null,
): Promise<DeliveryReport> {
  const { Smtp } = await import('../client.js');
  const logger = printer(json);
  const timeout = options.tls?.sessionCacheTimeout;
  const tlsmgr = where === null ? null : await openTlsmgr(where, timeout, logger);
  const smtp = new Smtp({ ...options, ...(tlsmgr === null ? {} : { tlsmgr }), logger });
  const { sender, recipients, nexthop, tlsRequiredNo, requiretls, arrivalTime, source } = request;
  const read = await readMessage(source);
  const message = tlsRequiredNo ? withTlsRequiredNo(read) : read;
  finishOnSignal();
  const report = await smtp.deliver({
    ...{ sender, recipients, message, requiretls },
    ...(nexthop === null ? {} : { nexthop }),
    encoding: message.some((byte) => byte > 127) ? '8bit' : '7bit',
    ...(arrivalTime === null ? {} : { arrivalTime }),
  });
  await smtp.close();
  await tlsmgr?.close();
  return report;
}

/** What the engine would find out in the middle of a delivery, and call deferred. */
async function checkConfiguration(parameters: ParameterOptions): Promise<void> {
  const [{ initLibrary }, { createClientContext }] = await Promise.all([
    import('../tls/library.js'),
    import('../tls/client-context.js'),
  ]);
  initLibrary(parameters.library);
  const { tls } = resolveSmtp(parameters.smtp);
  if (usesTls(tls.securityLevel)) {
    createClientContext(tls);
  }
}

/** A delivery that is broken off may have been sent or not; nobody would know. */
function finishOnSignal(): void {
  process.on('SIGHUP', () => undefined); // the terminal has gone: no reason to break off
  firstSignal().then((signal) => {
    process.stderr.write(
      `mxtls: ${signal}: waiting for the delivery to end; a second signal ends it at once\n`,
    );
  });
}

/** Lines on standard output, warnings like those of a daemon on standard error; for JSON all there. */
function printer(json: boolean): ReturnType<typeof streamLogger> {
  const daemon = streamLogger({ service: 'smtp' });
  return json ? daemon : { ...daemon, info: (text) => process.stdout.write(`${text}\n`) };
}

export const sendCommand: Command = {
  name: 'send',
  summary: 'deliver a message',
  help,
  run,
};
