/** `mxtls smtpd`: the smtpd engine as a program. Receives mail into a Maildir. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { constants } from 'node:os';
import type { ParameterOptions } from '../config/from-parameters.js';
import { TlsError } from '../errors.js';
import type { Smtpd } from '../server.js';
import type { SmtpdSession } from '../smtpd/handlers.js';
import { formatHostPort, type HostPort, parseHostPort } from './address.js';
import { parseCommandLine } from './args.js';
import { type Command, exitCode, Failure, usageError } from './command.js';
import { keyLogHelp, keyLogOption, readKeyLog } from './key-log-option.js';
import { explainListenFailure } from './listen-failure.js';
import { parameterHelp, parameterOption, readParameterOptions } from './parameter-options.js';
import { becomeUser, findIdentity, type Identity } from './privileges.js';
import { firstSignal, onHangUp } from './signals.js';
import {
  openTlsmgr,
  readTlsmgr,
  type TlsmgrChoice,
  tlsmgrHelp,
  tlsmgrOption,
} from './tlsmgr-option.js';
import { type Access, accessFor } from './smtpd-access.js';
import { discard, keepIn, LateStore, openMaildir } from './smtpd-store.js';

const help = `Usage: mxtls smtpd --listen HOST:PORT [--maildir DIR] [--domain DOMAIN ...]
       [--connection-limit N] [--user NAME[:GROUP]] [--keylog FILE]
       [--tlsmgr SOCKET|ADDRESS [--wrapping-key FILE]]
       [-c DIR] [-o NAME=VALUE ...]

Receives mail by SMTP into a Maildir. Each message is one file in DIR/new, whole and on disk
before the client is told so. Nothing is relayed.

Prints "listening ADDRESS:PORT" on standard output when it is ready, and logs to standard
error. SIGTERM or SIGINT ends it after the messages that are being received; a second signal
ends it at once. Keys and certificates are loaded anew when their files change, and at SIGHUP,
which opens the tables of server names anew, too.

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
  --user NAME[:GROUP]       once the ports are bound, and keys, certificates and tables are
                            read, become this user for good; only root can
${tlsmgrHelp}
${keyLogHelp}
${parameterHelp}
  -h, --help                this text

Envelope addresses are kept as Return-Path: and Delivered-To: header fields, a Received: field
is added, lines end in LF.

Examples:
  mxtls smtpd --listen 127.0.0.1:2525 --maildir /tmp/mail
  mxtls smtpd --listen '[::]:25' --maildir /var/mail/example --domain example.com \\
      -o smtpd_tls_security_level=may -o smtpd_tls_chain_files=/etc/mxtls/mx.pem
  mxtls smtpd --listen '[::]:25' --maildir /var/mail/example --domain example.com \\
      --user mail -c /etc/mxtls
  mxtls smtpd --listen 0.0.0.0:465 --maildir /var/mail/example --domain example.com \\
      -o smtpd_tls_wrappermode=yes -o smtpd_tls_chain_files=/etc/mxtls/mx.pem
`;

interface Service {
  readonly connectionLimit: number | null;
  readonly places: readonly HostPort[];
  readonly maildir: string | null;
  readonly access: Access;
  /** Whom to become; null: stay who we are. */
  readonly user: Identity | null;
  readonly parameters: ParameterOptions;
  readonly keyLog: { readonly keyLogFile?: string };
  readonly tlsmgr: TlsmgrChoice | null;
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, {
    listen: { type: 'string', multiple: true },
    maildir: { type: 'string' },
    domain: { type: 'string', multiple: true },
    'connection-limit': { type: 'string' },
    user: { type: 'string' },
    ...tlsmgrOption,
    ...keyLogOption,
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
  const user = options.string('user');
  await serve({
    connectionLimit: connectionLimit(options.string('connection-limit')),
    places,
    user: user === null ? null : findIdentity(user),
    maildir,
    access: accessFor(options.strings('domain')),
    parameters: readParameterOptions(options, 'smtpd'),
    keyLog: readKeyLog(options),
    tlsmgr: readTlsmgr(options),
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
  user,
  parameters,
  keyLog,
  tlsmgr,
}: Service): Promise<void> {
  const [{ Smtpd }, { initLibrary }, { engineLogger }] = await Promise.all([
    import('../server.js'),
    import('../tls/library.js'),
    import('../log/logger.js'),
  ]);
  initLibrary(parameters.library);
  const logger = engineLogger(undefined, 'smtpd');
  const late = new LateStore();
  const timeout = parameters.smtpd.tls?.sessionCacheTimeout;
  const manager = tlsmgr === null ? null : await openTlsmgr(tlsmgr, timeout, logger);
  const received = (session: SmtpdSession): string => smtpd.receivedHeader(session);
  const smtpd: Smtpd = new Smtpd({
    ...parameters.smtpd,
    ...keyLog,
    ...(manager === null ? {} : { tlsmgr: manager }),
    onRcpt: (session, recipient) => access(session.remoteAddress, recipient),
    onData: late.store,
  });
  const signal = firstSignal();
  onHangUp(() => {
    smtpd.reload().catch(() => undefined); // the log says what was wrong, and the former ones serve
  });
  try {
    const listening: string[] = [];
    for (const place of places) {
      listening.push(...(await listen(smtpd, place, connectionLimit)));
    }
    if (user !== null) {
      becomeUser(user);
    }
    // Files are the user's: the Maildir comes after the change, and messages until then wait for it.
    late.open(
      maildir === null
        ? discard(logger)
        : keepIn({ maildir: await openMaildir(maildir), logger, received }),
    );
    process.stdout.write(listening.join(''));
    if (maildir === null) {
      logger.warn('no --maildir: received messages are discarded');
    }
    logger.info(`${await signal}: ending; connections open: ${smtpd.connections}`);
  } finally {
    await smtpd.close();
    await manager?.close();
  }
}

/** Listens on all addresses of the host; what to print about it. */
async function listen(
  smtpd: Smtpd,
  { host, port }: HostPort,
  connectionLimit: number | null,
): Promise<readonly string[]> {
  const limit = connectionLimit === null ? {} : { connectionLimit };
  const addresses = await addressesOf(host);
  let problem: unknown = null;
  const listening: string[] = [];
  for (const address of addresses) {
    try {
      const listener = await smtpd.listen({ host: address, port, ...limit });
      listening.push(`listening ${formatHostPort(listener.address, listener.port)}\n`);
    } catch (error) {
      if (addresses.length === 1 || !isForeign(error)) {
        throw explainListenFailure(error);
      }
      problem ??= error;
    }
  }
  if (listening.length === 0) {
    throw explainListenFailure(problem);
  }
  return listening;
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
