/** `mxtls smtpd`: the smtpd engine as a program. Receives mail into a Maildir. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { ParameterOptions } from '../config/from-parameters.js';
import { TlsError } from '../errors.js';
import type { Smtpd } from '../server.js';
import type { SmtpdSession } from '../smtpd/handlers.js';
import { formatHostPort, type HostPort, parseHostPort } from './address.js';
import { parseCommandLine } from './args.js';
import { type Command, exitCode, Failure, usageError } from './command.js';
import { explainListenFailure } from './listen-failure.js';
import { parameterHelp, parameterOption, readParameterOptions } from './parameter-options.js';
import { firstSignal } from './signals.js';
import { type Access, accessFor, refusalLine } from './smtpd-access.js';
import { discard, keepIn, openMaildir } from './smtpd-store.js';
import { Work } from './smtpd-work.js';

const help = `Usage: mxtls smtpd --listen HOST:PORT [--maildir DIR] [--domain DOMAIN ...]
       [-c DIR] [-o NAME=VALUE ...]

Receives mail by SMTP into a Maildir. Each message is one file in DIR/new, whole and on disk
before the client is told so. Nothing is relayed.

Prints "listening ADDRESS:PORT" on standard output when it is ready, and logs to standard
error. SIGTERM or SIGINT ends it after the messages that are being received; a second signal
ends it at once.

Options:
  --listen HOST:PORT        where to listen; port 0 lets the system choose one; may be given
                            many times
  --maildir DIR             where messages go; made if it does not exist. Without it they
                            are thrown away, with a warning
  --domain DOMAIN           receive for addresses in this domain, from anywhere; may be given
                            many times. Without it: for all addresses, but only from clients
                            on this machine
  --connection-limit N      clients at a time; default 10000, 0 for any number. More are told
                            to come again; near the limit time limits are short
${parameterHelp}
  -h, --help                this text

Envelope addresses are kept as Return-Path: and Delivered-To: header fields, a Received: field
is added, lines end in LF.

Examples:
  mxtls smtpd --listen 127.0.0.1:2525 --maildir /tmp/mail
  mxtls smtpd --listen '[::]:25' --maildir /var/mail/example --domain example.com \\
      -o smtpd_tls_security_level=may -o smtpd_tls_chain_files=/etc/mxtls/mx.pem
  mxtls smtpd --listen 0.0.0.0:465 --maildir /var/mail/example --domain example.com \\
      -o smtpd_tls_wrappermode=yes -o smtpd_tls_chain_files=/etc/mxtls/mx.pem
`;

/** Milliseconds that clients have to hang up after a 421. */
const farewellTime = 2000;

interface Service {
  readonly connectionLimit: number | null;
  readonly places: readonly HostPort[];
  readonly maildir: string | null;
  readonly access: Access;
  readonly parameters: ParameterOptions;
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, {
    listen: { type: 'string', multiple: true },
    maildir: { type: 'string' },
    domain: { type: 'string', multiple: true },
    'connection-limit': { type: 'string' },
    ...parameterOption,
  });
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const places = options.strings('listen').map((text) => parseHostPort(text, '--listen'));
  if (places.length === 0) {
    throw usageError(
      'nowhere to listen',
      'add --listen HOST:PORT, for example --listen 127.0.0.1:2525',
    );
  }
  const maildir = options.string('maildir');
  if (maildir === '') {
    throw usageError('--maildir: no directory', 'name one, for example --maildir /var/mail/mxtls');
  }
  await serve({
    connectionLimit: connectionLimit(options.string('connection-limit')),
    places,
    maildir,
    access: accessFor(options.strings('domain')),
    parameters: readParameterOptions(options, 'smtpd'),
  });
  return exitCode.ok;
}

function connectionLimit(text: string | null): number | null {
  if (text !== null && !/^\d{1,9}$/.test(text)) {
    throw usageError(
      `--connection-limit: "${text}" is no number`,
      'write how many clients there may be at a time, or 0 for any number',
    );
  }
  return text === null ? null : Number(text);
}

/** Receives mail until a signal comes. */
async function serve({
  connectionLimit,
  places,
  maildir,
  access,
  parameters,
}: Service): Promise<void> {
  const [{ Smtpd }, { initLibrary }, { engineLogger }] = await Promise.all([
    import('../server.js'),
    import('../tls/library.js'),
    import('../log/logger.js'),
  ]);
  initLibrary(parameters.library);
  const logger = engineLogger(undefined, 'smtpd');
  const mail = maildir === null ? null : await openMaildir(maildir);
  const work = new Work();
  const received = (session: SmtpdSession): string => smtpd.receivedHeader(session);
  const smtpd: Smtpd = new Smtpd({
    ...parameters.smtpd,
    onRcpt: (session, recipient) => {
      const refusal = access(session.remoteAddress, recipient);
      if (refusal !== undefined) {
        logger.info(refusalLine(session, recipient, refusal));
      }
      return refusal;
    },
    onData: work.counting(
      mail === null ? discard(logger) : keepIn({ maildir: mail, logger, received }),
    ),
  });
  const signal = firstSignal();
  try {
    for (const place of places) {
      await listen(smtpd, place, connectionLimit);
    }
    if (maildir === null) {
      logger.warn('no --maildir: received messages are discarded');
    }
    logger.info(`${await signal}: ending; connections open: ${smtpd.connections}`);
  } finally {
    await close(smtpd, work);
  }
}

/** Messages are received to their end; a client that was told goodbye and stays holds up nobody. */
async function close(smtpd: Smtpd, work: Work): Promise<void> {
  const left = work.done().then(() => setTimeout(farewellTime, undefined, { ref: false }));
  await Promise.race([smtpd.close(), left]);
  await smtpd.close(true);
}

/** Listens on all addresses of the host. */
async function listen(
  smtpd: Smtpd,
  { host, port }: HostPort,
  connectionLimit: number | null,
): Promise<void> {
  const limit = connectionLimit === null ? {} : { connectionLimit };
  const addresses = await addressesOf(host);
  let problem: unknown = null;
  let listening = 0;
  for (const address of addresses) {
    try {
      const listener = await smtpd.listen({ host: address, port, ...limit });
      process.stdout.write(`listening ${formatHostPort(listener.address, listener.port)}\n`);
      listening++;
    } catch (error) {
      if (addresses.length === 1 || !isForeign(error)) {
        throw explainListenFailure(error);
      }
      problem ??= error;
    }
  }
  if (listening === 0) {
    throw explainListenFailure(problem);
  }
}

/** Names are resolved here; the engine takes addresses. */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) {
    return [host];
  }
  try {
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))];
  } catch {
    throw new Failure(
      `--listen: nothing is known of host "${host}"; give an address of this machine`,
      exitCode.config,
    );
  }
}

/** The machine does not have this address: `localhost` has ::1 in many that know no IPv6. */
function isForeign(error: unknown): boolean {
  const { EADDRNOTAVAIL, EAFNOSUPPORT } = constants.errno;
  return error instanceof TlsError && [EADDRNOTAVAIL, EAFNOSUPPORT].includes(error.errno);
}

export const smtpdCommand: Command = {
  name: 'smtpd',
  summary: 'receive mail into a Maildir',
  help,
  run,
};
