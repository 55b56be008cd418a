/** `mxtls tlsmgr`: the service that keeps TLS sessions and ticket keys for many processes of one host. */
import type { CacheProps } from '../tlsmgr/caches.js';
import { type ParsedArgs, parseCommandLine } from './args.js';
import { type Command, exitCode, usageError } from './command.js';
import { parameterHelp, parameterOption, readParameterOptions } from './parameter-options.js';
import { firstSignal } from './signals.js';

const help = `Usage: mxtls tlsmgr --listen SOCKET [--wrapping-key FILE] [--mode MODE]
       [--allow-uid UID ...] [-c DIR] [-o NAME=VALUE ...]

Keeps TLS sessions for the processes of this host, and makes the keys of session tickets:
a client resumes at whichever process it meets next. "mxtls smtpd --tlsmgr SOCKET" asks it.

Prints "listening SOCKET" on standard output when it is ready, and logs to standard error.
SIGTERM or SIGINT ends it; while it is away mail flows, with full handshakes at worst.

Options:
  --listen SOCKET       UNIX socket to make, with mode 0600; one that was left behind is replaced
  --wrapping-key FILE   32 bytes that seal the ticket keys; who has them can read tickets. Make
                        it with: (umask 077; openssl rand 32 > FILE). Without it no ticket
                        keys are made
  --mode MODE           of the socket, in octal: 0660 lets its group in
  --allow-uid UID       a user that may ask, besides root and the one that this runs as; may be
                        given many times. The kernel says who asks
${parameterHelp}
  -h, --help            this text

Parameters that count: smtpd_tls_session_cache_database, smtp_tls_session_cache_database
(memory:, lmdb:FILE), and their timeouts; a ticket key is used for half of
smtpd_tls_session_cache_timeout.

Examples:
  mxtls tlsmgr --listen /run/mxtls/tlsmgr --wrapping-key /etc/mxtls/wrapping.key \\
      -o smtpd_tls_session_cache_database=memory:
  mxtls smtpd --listen '[::]:25' --tlsmgr /run/mxtls/tlsmgr \\
      --wrapping-key /etc/mxtls/wrapping.key -c /etc/mxtls
`;

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, {
    listen: { type: 'string' },
    'wrapping-key': { type: 'string' },
    mode: { type: 'string' },
    'allow-uid': { type: 'string', multiple: true },
    ...parameterOption,
  });
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const path = options.string('listen') ?? '';
  if (path === '') {
    throw usageError('nowhere to listen', 'add --listen SOCKET, such as /run/mxtls/tlsmgr');
  }
  await serve(path, options);
  return exitCode.ok;
}

async function serve(path: string, options: ParsedArgs): Promise<void> {
  const file = options.string('wrapping-key');
  const mode = modeOf(options.string('mode') ?? '0600');
  const allowUids = options.strings('allow-uid').map(uidOf);
  const parameters = readParameterOptions(options, null);
  const smtpd = cacheOf(parameters.smtpd.tls);
  const smtp = cacheOf(parameters.smtp.tls);
  const [{ TlsmgrService }, { engineLogger }] = await Promise.all([
    import('../tlsmgr/service.js'),
    import('../log/logger.js'),
  ]);
  const logger = engineLogger(undefined, 'tlsmgr');
  const wrappingKey = file === null ? null : { file };
  const signal = firstSignal();
  const service = await TlsmgrService.start({
    ...{ path, mode, allowUids, smtpd, smtp, wrappingKey, logger },
  });
  process.stdout.write(`listening ${path}\n`);
  logger.info(`${await signal}: ending; clients connected: ${service.clients}`);
  await service.close();
}

/** @throws TlsError `COMMAND_LINE` */
function modeOf(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) {
    throw usageError(`--mode: "${text}" is no mode`, 'write three octal digits, such as 660');
  }
  return Number.parseInt(text, 8);
}

/** @throws TlsError `COMMAND_LINE` */
function uidOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw usageError(`--allow-uid: "${text}" is no number`, 'see id -u NAME');
  }
  return Number(text);
}

interface CacheOptions {
  readonly sessionCacheDatabase?: string;
  readonly sessionCacheTimeout?: number;
}

function cacheOf(tls: CacheOptions = {}): CacheProps {
  return {
    database: tls.sessionCacheDatabase ?? '',
    timeout: (tls.sessionCacheTimeout ?? 3_600_000) / 1000,
  };
}

export const tlsmgrCommand: Command = {
  name: 'tlsmgr',
  summary: 'keep TLS sessions and ticket keys for many processes',
  help,
  run,
};
