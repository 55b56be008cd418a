/** `mxtls smtpd`: the smtpd engine as a program. Receives mail and, so far, throws it away. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Logger } from '../log/logger.js';
import { formatHostPort, type HostPort, parseHostPort } from './address.js';
import { parseCommandLine } from './args.js';
import { type Command, exitCode, Failure, usageError } from './command.js';
import { parameterHelp, parameterOption, readParameterOptions } from './parameter-options.js';
import { firstSignal } from './signals.js';

const help = `Usage: mxtls smtpd --listen HOST:PORT [-o NAME=VALUE ...]

Receives mail by SMTP. Messages are thrown away after they have been received, with a
warning in the log: this command is for trying out TLS settings.

Prints "listening ADDRESS:PORT" on standard output when it is ready, logs to standard
error, and ends on SIGTERM or SIGINT after the messages that are being received. A second
signal ends it at once.

Options:
  --listen HOST:PORT        where to listen; port 0 lets the system choose one; may be given
                            many times
${parameterHelp}
  -h, --help                this text

Examples:
  mxtls smtpd --listen 127.0.0.1:2525
  mxtls smtpd --listen '[::]:25' -o smtpd_tls_security_level=may \\
      -o smtpd_tls_chain_files=/etc/mxtls/mx.pem -o smtpd_tls_loglevel=1
  mxtls smtpd --listen 0.0.0.0:465 -o smtpd_tls_wrappermode=yes \\
      -o smtpd_tls_chain_files=/etc/mxtls/mx.pem -o tls_config_file=/etc/mxtls/openssl.cnf
`;

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, {
    listen: { type: 'string', multiple: true },
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
  const parameters = readParameterOptions(options.strings('option'));
  const [{ Smtpd }, { initLibrary }, { engineLogger }] = await Promise.all([
    import('../server.js'),
    import('../tls/library.js'),
    import('../log/logger.js'),
  ]);
  initLibrary(parameters.library);
  const logger = engineLogger(undefined, 'smtpd');
  const smtpd = new Smtpd({
    ...parameters.smtpd,
    onData: async (session, message) => {
      await discard(message);
      logger.warn(
        `${session.queueId}: message of ${message.bytes} bytes from ${session.namaddr} discarded`,
      );
    },
  });
  const signal = firstSignal();
  for (const place of places) {
    const listener = await smtpd.listen(await resolvePlace(place));
    process.stdout.write(`listening ${formatHostPort(listener.address, listener.port)}\n`);
  }
  logger.warn('received messages are discarded');
  await endOn(signal, smtpd, logger);
  return exitCode.ok;
}

async function discard(message: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of message) {
    // Read to its end: only then is it known to be whole.
  }
}

async function endOn(
  signal: Promise<NodeJS.Signals>,
  smtpd: { readonly connections: number; close(): Promise<void> },
  logger: Logger,
): Promise<void> {
  logger.info(`${await signal}: ending; connections open: ${smtpd.connections}`);
  await smtpd.close();
}

/** Names are resolved here; the engine takes addresses. */
async function resolvePlace(place: HostPort): Promise<HostPort> {
  if (isIP(place.host) !== 0) {
    return place;
  }
  try {
    return { host: (await lookup(place.host)).address, port: place.port };
  } catch {
    throw new Failure(
      `--listen: nothing is known of host "${place.host}"; give an address of this machine`,
      exitCode.config,
    );
  }
}

export const smtpdCommand: Command = {
  name: 'smtpd',
  summary: 'receive mail',
  help,
  run,
};
