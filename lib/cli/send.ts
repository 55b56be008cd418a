/** `mxtls send`: delivers one message with the smtp engine. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { resolveSmtp } from '../config/check.js';
import type { ParameterOptions } from '../config/from-parameters.js';
import { streamLogger } from '../log/logger.js';
import { systemErrorText } from '../log/system-error.js';
import { usesTls } from '../tls/levels.js';
import { parseCommandLine } from './args.js';
import { type Command, exitCode, Failure, usageError } from './command.js';
import { parameterHelp, parameterOption, readParameterOptions } from './parameter-options.js';

const help = `Usage: mxtls send --from SENDER --to RECIPIENT --nexthop '[HOST]:PORT'
       [-o NAME=VALUE ...] [FILE|-]

Delivers a message by SMTP and prints how that went: a line about TLS, and one line per
recipient. The message is read from FILE, or from standard input; line ends may be LF.

Options:
  --from ADDRESS            envelope sender; '' for the null sender
  --to ADDRESS              recipient; may be given many times
  --nexthop [HOST]:PORT     the server, in brackets; a name or an address
${parameterHelp}
  -h, --help                this text

The TLS level is smtp_tls_security_level: none, may (default) or encrypt.
smtp_tls_loglevel is 1 here.

Exit codes:
  0 sent to all recipients, 75 deferred for one at least (try again later), 69 refused,
  64 wrong command line, 66 no such FILE, 78 wrong configuration

Examples:
  mxtls send --from me@example.org --to you@example.com --nexthop '[127.0.0.1]:2525' message.eml
  echo 'Subject: hello' | mxtls send --from '' --to you@example.com --nexthop '[mx.example.com]:25'
  mxtls send --from me@example.org --to you@example.com --nexthop '[mx.example.com]:465' \\
      -o smtp_tls_wrappermode=yes -o smtp_tls_security_level=encrypt message.eml
`;

const specs = {
  from: { type: 'string' },
  to: { type: 'string', multiple: true },
  nexthop: { type: 'string' },
  ...parameterOption,
} as const;

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, specs, 1);
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const sender =
    options.string('from') ??
    missing('--from', 'the sender', "--from me@example.org, or --from ''");
  const nexthop =
    options.string('nexthop') ?? missing('--nexthop', 'the server', "--nexthop '[127.0.0.1]:2525'");
  const recipients = options.strings('to');
  if (recipients.length === 0) {
    missing('--to', 'a recipient', '--to you@example.com');
  }
  const parameters = readParameterOptions(options.strings('option'), ['smtp_tls_loglevel=1']);
  const message = await openMessage(options.positionals[0] ?? '-');
  const { Smtp } = await import('../client.js');
  await checkConfiguration(parameters);
  const smtp = new Smtp({ ...parameters.smtp, logger: printer() });
  try {
    const report = await smtp.deliver({ sender, recipients, nexthop, message });
    return worst(report.recipients.map(({ status }) => status));
  } finally {
    message.destroy();
  }
}

/** What the engine would find out in the middle of a delivery, and call deferred. */
async function checkConfiguration(parameters: ParameterOptions): Promise<void> {
  const [{ initLibrary }, { createClientContext }] = await Promise.all([
    import('../tls/library.js'),
    import('../tls/contexts.js'),
  ]);
  initLibrary(parameters.library);
  const { tls } = resolveSmtp(parameters.smtp);
  if (usesTls(tls.securityLevel)) {
    createClientContext(tls);
  }
}

function missing(option: string, what: string, example: string): never {
  throw usageError(`${option} is missing`, `name ${what}, for example ${example}`);
}

/** Standard input, or a file that can be read. @throws Failure */
async function openMessage(name: string): Promise<Readable> {
  if (name === '-') {
    if (process.stdin.isTTY) {
      process.stderr.write('Reading the message from the terminal; end it with Ctrl-D.\n');
    }
    return process.stdin;
  }
  try {
    const file = await open(name);
    if ((await file.stat()).isDirectory()) {
      await file.close();
      throw unreadable(name, constants.errno.EISDIR);
    }
    return createReadStream(name, { fd: file });
  } catch (error) {
    throw error instanceof Failure
      ? error
      : unreadable(name, (error as { errno?: number }).errno ?? 0);
  }
}

function unreadable(name: string, errno: number): Failure {
  return new Failure(
    `cannot read the message ${name}: ${systemErrorText(errno)}`,
    exitCode.noInput,
  );
}

/** Lines on standard output, warnings like those of a daemon on standard error. */
function printer(): ReturnType<typeof streamLogger> {
  const daemon = streamLogger({ service: 'smtp' });
  return { ...daemon, info: (text) => process.stdout.write(`${text}\n`) };
}

/** One deferred recipient makes the message worth another try. */
function worst(statuses: readonly string[]): number {
  if (statuses.includes('deferred')) {
    return exitCode.tempFail;
  }
  return statuses.every((status) => status === 'sent') ? exitCode.ok : exitCode.unavailable;
}

export const sendCommand: Command = {
  name: 'send',
  summary: 'deliver a message',
  help,
  run,
};
