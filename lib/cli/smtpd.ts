/** `mxtls smtpd`: the smtpd engine as a program. Receives mail into a Maildir. */
import type { ParameterOptions } from '../config/from-parameters.js';
import type { Logger } from '../log/logger.js';
import type { Smtpd } from '../server.js';
import type { SmtpdSession } from '../smtpd/handlers.js';
import { Membership } from '../workers/membership.js';
import { type HostPort, parseHostPort } from './address.js';
import { type OptionSpec, type ParsedArgs, parseCommandLine } from './args.js';
import { type Command, exitCode, usageError } from './command.js';
import { takeActivationSockets, takeWorkerSockets } from './inherited-sockets.js';
import { keyLogHelp, keyLogOption, readKeyLog } from './key-log-option.js';
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
import { listenAt, listenOn } from './smtpd-listen.js';
import { discard, keepIn, LateStore, openMaildir } from './smtpd-store.js';
import { supervise } from './smtpd-workers.js';

const help = `Usage: mxtls smtpd --listen HOST:PORT [--maildir DIR] [--domain DOMAIN ...]
       [--connection-limit N] [--user NAME[:GROUP]] [--workers N [--max-use N]]
       [--tlsmgr SOCKET|ADDRESS [--wrapping-key FILE]] [--keylog FILE]
       [-c DIR] [-o NAME=VALUE ...]

Receives mail by SMTP into a Maildir. Each message is one file in DIR/new, whole and on disk
before the client is told so. Nothing is relayed.

Prints "listening ADDRESS:PORT" on standard output when it is ready, and logs to standard
error. SIGTERM or SIGINT ends it after the messages that are being received; a second signal
ends it at once. Keys and certificates are loaded anew when their files change, and at SIGHUP,
which opens the tables of server names anew, too.

Options:
  --listen HOST:PORT        where to listen; port 0 lets the system choose one; may be given
                            many times. Sockets of a service manager (systemd's socket
                            activation) are used as they come
  --maildir DIR             where messages go; made if it does not exist. Without it they
                            are thrown away, with a warning
  --domain DOMAIN           receive for addresses in this domain, from anywhere; may be given
                            many times. Without it: for all addresses, but only from clients
                            on this machine
  --connection-limit N      clients at a time; default 10000, 0 for any number. More are told
                            to come again; near the limit time limits are short
  --user NAME[:GROUP]       once the ports are bound, and keys, certificates and tables are
                            read, become this user for good; only root can
  --workers N               run N processes, among which the system shares the clients. One that
                            ends is replaced; SIGTERM and SIGHUP are for all. Limits on clients
                            are those of each process
  --max-use N               a worker that has had so many clients is replaced, and ends when the
                            last of them has gone; default 0: none is
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

const optionSpecs: Readonly<Record<string, OptionSpec>> = {
  listen: { type: 'string', multiple: true },
  maildir: { type: 'string' },
  domain: { type: 'string', multiple: true },
  'connection-limit': { type: 'string' },
  user: { type: 'string' },
  workers: { type: 'string' },
  'max-use': { type: 'string' },
  ...tlsmgrOption,
  ...keyLogOption,
  ...parameterOption,
};

interface Service {
  readonly limits: { readonly connectionLimit?: number };
  readonly places: readonly HostPort[];
  /** Listening sockets that there are already. */
  readonly sockets: readonly number[];
  /** Clients after which a worker wants to be replaced; 0: any number. */
  readonly maxUse: number;
  readonly maildir: string | null;
  readonly access: Access;
  /** Whom to become; null: stay who we are. */
  readonly user: Identity | null;
  readonly parameters: ParameterOptions;
  readonly keyLog: { readonly keyLogFile?: string };
  readonly tlsmgr: TlsmgrChoice | null;
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, optionSpecs);
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const assigned = takeWorkerSockets(process.env);
  const sockets = assigned ?? takeActivationSockets(process.env, process.pid);
  const service = readService(options, sockets);
  const workers = numberOption(options, 'workers', 'write how many processes there are to be');
  if (assigned === null && workers !== null && workers > 0) {
    return supervise({ count: workers, places: service.places, sockets, args });
  }
  await serve(assigned === null ? service : { ...service, places: [] });
  return exitCode.ok;
}

/** @throws Failure, TlsError `COMMAND_LINE`, `INVALID_PARAMETER` … */
function readService(options: ParsedArgs, sockets: readonly number[]): Service {
  const places = options.strings('listen').map((text) => parseHostPort(text, '--listen'));
  if (places.length === 0 && sockets.length === 0) {
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
  const connectionLimit = numberOption(
    options,
    'connection-limit',
    'write how many clients there may be at a time, or 0 for any number',
  );
  return {
    limits: connectionLimit === null ? {} : { connectionLimit },
    places,
    sockets,
    maxUse: numberOption(options, 'max-use', 'write a number of clients, or 0 for any') ?? 0,
    user: user === null ? null : findIdentity(user),
    maildir,
    access: accessFor(options.strings('domain')),
    parameters: readParameterOptions(options, 'smtpd'),
    keyLog: readKeyLog(options),
    tlsmgr: readTlsmgr(options),
  };
}

function numberOption(options: ParsedArgs, name: string, remedy: string): number | null {
  const text = options.string(name);
  if (text !== null && !/^\d{1,9}$/.test(text)) {
    throw usageError(`--${name}: "${text}" is no number`, remedy);
  }
  return text === null ? null : Number(text);
}

/** Receives mail until a signal comes, or as a worker until another process takes over. */
async function serve(service: Service): Promise<void> {
  const { parameters, keyLog, access, tlsmgr } = service;
  const [{ Smtpd }, { initLibrary }, { engineLogger }] = await Promise.all([
    import('../server.js'),
    import('../tls/library.js'),
    import('../log/logger.js'),
  ]);
  initLibrary(parameters.library);
  const logger = engineLogger(undefined, 'smtpd');
  const late = new LateStore();
  const membership = Membership.join();
  const timeout = parameters.smtpd.tls?.sessionCacheTimeout;
  const manager = tlsmgr === null ? null : await openTlsmgr(tlsmgr, timeout, logger);
  const smtpd = new Smtpd({
    ...parameters.smtpd,
    ...keyLog,
    ...(manager === null ? {} : { tlsmgr: manager }),
    ...(membership === null ? {} : { onConnect: () => membership.count() }),
    onRcpt: (session, recipient) => access(session.remoteAddress, recipient),
    onData: late.store,
  });
  const ending = endOf(membership);
  onHangUp(() => {
    smtpd.reload().catch(() => undefined); // the log says what was wrong, and the former ones serve
  });
  try {
    const listening = await open(smtpd, service, { late, logger });
    process.stdout.write(listening);
    membership?.ready(service.maxUse);
    const first = await Promise.race([
      ending,
      ...(membership === null ? [] : [membership.retired()]),
    ]);
    logger.info(`${first}: ending; connections open: ${smtpd.connections}`);
    if (first === 'retired') {
      await Promise.race([smtpd.retire(), ending]);
    }
  } finally {
    await smtpd.close();
    await manager?.close();
  }
}

/** Resolves with what ends a process: a signal, or for a worker that the supervisor has gone. */
async function endOf(membership: Membership | null): Promise<string> {
  const signal = firstSignal();
  return membership === null ? signal : Promise.race([signal, membership.abandoned()]);
}

interface Parts {
  readonly late: LateStore;
  readonly logger: Logger;
}

/** Listens, becomes the user, and opens the store; what to print about it. */
async function open(
  smtpd: Smtpd,
  { places, sockets, limits, user, maildir }: Service,
  { late, logger }: Parts,
): Promise<string> {
  const listening =
    (await listenOn(smtpd, sockets, limits)) + (await listenAt(smtpd, places, limits));
  if (user !== null) {
    becomeUser(user);
  }
  const received = (session: SmtpdSession): string => smtpd.receivedHeader(session);
  // Files are the user's: the Maildir comes after the change, and messages until then wait for it.
  late.open(
    maildir === null
      ? discard(logger)
      : keepIn({ maildir: await openMaildir(maildir), logger, received }),
  );
  if (maildir === null) {
    logger.warn('no --maildir: received messages are discarded');
  }
  return listening;
}

export const smtpdCommand: Command = {
  name: 'smtpd',
  summary: 'receive mail into a Maildir',
  help,
  run,
};
