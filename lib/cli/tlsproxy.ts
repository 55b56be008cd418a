/** `mxtls tlsproxy`: TLS for other processes, as a program. */
import { tlsproxySettings, tlsproxyWatchdog } from '../config/tlsproxy-settings.js';
import { startWatchdog } from '../tlsproxy/watchdog.js';
import { type Command, exitCode, usageError } from './command.js';
import { parseCommandLine } from './args.js';
import { explainListenFailure } from './listen-failure.js';
import { optionsOf, parameterHelp, parameterOption, readSettings } from './parameter-options.js';
import { firstSignal } from './signals.js';

const help = `Usage: mxtls tlsproxy --socket PATH [--mode MODE] [--role ROLE ...]
       [-c DIR] [-o NAME=VALUE ...]

Does TLS for other processes. One passes the socket of a peer over the UNIX socket PATH, and speaks
plaintext with the inside of the session: a mail server in any language, or several delivering
processes that use each other's sessions. docs/tlsproxy.md has the protocol.

Prints "listening PATH" on standard output when it is ready, and logs to standard error. SIGTERM or
SIGINT ends it when its sessions have ended; a second signal ends it at once.

Options:
  --socket PATH             where to listen
  --mode MODE               of the socket, octal; default 0600: who may open it may use the keys
  --role server|client      what it does; may be given twice. Default: both
${parameterHelp}
  -h, --help                this text

The server's role has the parameters smtpd_tls_*, the client's smtp_tls_*, and in their place, where they
are set, tlsproxy_tls_* and tlsproxy_client_*. A process that stands still for tlsproxy_watchdog_timeout is
killed: supervise it.

Examples:
  mxtls tlsproxy --socket /run/mxtls/tlsproxy --role server \\
      -o smtpd_tls_security_level=may -o smtpd_tls_chain_files=/etc/mxtls/mx.pem
  mxtls tlsproxy --socket /run/mxtls/tlsproxy --role client -o smtp_tls_security_level=may
`;

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, {
    socket: { type: 'string' },
    mode: { type: 'string' },
    role: { type: 'string', multiple: true },
    ...parameterOption,
  });
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const path = options.string('socket');
  if (path === null || path === '') {
    throw usageError('nowhere to listen', 'add --socket PATH');
  }
  const roles = readRoles(options.strings('role'));
  const mode = readMode(options.string('mode') ?? '0600');
  const settings = tlsproxySettings(readSettings(options));
  const server = roles.has('server') ? optionsOf(settings, 'smtpd') : null;
  const client = roles.has('client') ? optionsOf(settings, 'smtp') : null;
  startWatchdog(tlsproxyWatchdog(settings));
  const [{ Tlsproxy }, { initLibrary }] = await Promise.all([
    import('../tlsproxy/proxy.js'),
    import('../tls/library.js'),
  ]);
  initLibrary((server ?? client)?.library);
  const proxy = new Tlsproxy({
    ...(server === null ? {} : { server: server.smtpd.tls ?? {} }),
    ...(client === null ? {} : { client: client.smtp.tls ?? {} }),
  });
  const signal = firstSignal();
  try {
    proxy.listen(path, mode);
  } catch (error) {
    throw explainListenFailure(error);
  }
  process.stdout.write(`listening ${path}\n`);
  await signal;
  await proxy.close();
  return exitCode.ok;
}

function readRoles(names: readonly string[]): ReadonlySet<string> {
  const wrong = names.find((name) => name !== 'server' && name !== 'client');
  if (wrong !== undefined) {
    throw usageError(`--role: "${wrong}" is no role`, 'write server or client');
  }
  return new Set(names.length === 0 ? ['server', 'client'] : names);
}

function readMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) {
    throw usageError(`--mode: "${text}" is no mode`, 'write it in octal, for example 0660');
  }
  return Number.parseInt(text, 8);
}

export const tlsproxyCommand: Command = {
  name: 'tlsproxy',
  summary: 'do TLS for other processes',
  help,
  run,
};
