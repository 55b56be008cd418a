/**
 * `mxtls demo`: real mail from our smtp engine to our smtpd engine, under TLS 1.3 with a post-quantum group and an
 * ML-DSA-65 server key.
 *
 * Both engines run in this process, over a loopback socket. What arrives is compared byte for byte, and the session is
 * compared with what was promised; any difference is exit code 1.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Smtp } from '../client.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from '../config/options.js';
import { type LogService, streamLogger } from '../log/logger.js';
import type { Smtpd } from '../server.js';
import type { TlsSnapshot } from '../snapshot.js';
import { parseCommandLine } from './args.js';
import { type Command, exitCode } from './command.js';
import { type DemoKeys, makeDemoKeys } from './demo-keys.js';
import { type DemoMessage, demoMessages } from './demo-messages.js';

const help = `Usage: mxtls demo

Makes an ML-DSA-65 and an ECDSA P-256 key, starts a mail server on a loopback port, sends
it five messages (a plain one, one of 6 MiB, one with 8-bit content, one of 6 MiB by BDAT,
one between addresses beyond ASCII) and compares what arrives byte for byte. Prints the log
lines of both sides and a verdict; exit code 1 when anything differs. Nothing is left behind.

Example:
  mxtls demo
`;

const serverName = 'mx.example';

/** What the demo promises. */
const promised = { protocol: 'TLSv1.3', group: 'X25519MLKEM768', key: 'ML-DSA-65' } as const;

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, {});
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const directory = await mkdtemp(join(tmpdir(), 'mxtls-demo-'));
  try {
    print('Making an ML-DSA-65 and an ECDSA P-256 key with certificates ...');
    const problems = await deliverAll(await makeDemoKeys(directory, serverName));
    return verdict(problems);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Arrival {
  readonly sender: string | undefined;
  readonly recipient: string | undefined;
  readonly content: Buffer;
  readonly tls: TlsSnapshot | null;
}

interface DemoServer {
  readonly smtpd: Smtpd;
  readonly arrived: Arrival[];
  /** The next line with which a session ends. */
  disconnected(): Promise<string>;
}

async function deliverAll(keys: DemoKeys): Promise<readonly string[]> {
  const { configFile, configName } = keys;
  const common = { securityLevel: 'encrypt', loglevel: 1, configFile, configName } as const;
  const [server, smtp] = await Promise.all([
    makeServer({ ...common, chainFiles: [keys.chainFile] }),
    makeClient({ ...common, CAfile: keys.caFile, servername: serverName }),
  ]);
  try {
    const listener = await server.smtpd.listen({ host: '127.0.0.1', port: 0 });
    const nexthop = `[${listener.address}]:${listener.port}`;
    print(`The server listens at ${listener.address}:${listener.port}.`);
    const problems: string[] = [];
    for (const message of demoMessages(new Date())) {
      print(`\n${message.title} message, ${message.content.length} bytes:`);
      problems.push(...(await deliver(message, nexthop, smtp, server)));
    }
    return problems;
  } finally {
    await server.smtpd.close();
  }
}

async function makeServer(tls: SmtpdTlsOptions): Promise<DemoServer> {
  const { Smtpd } = await import('../server.js');
  const arrived: Arrival[] = [];
  let told: (line: string) => void = () => undefined;
  const printing = printingLogger('smtpd');
  const smtpd = new Smtpd({
    myhostname: serverName,
    logger: {
      ...printing,
      info: (line) => {
        printing.info(line);
        if (line.startsWith('disconnect from ')) {
          told(line);
        }
      },
    },
    tls,
    onData: async (session, message) => {
      const chunks: Buffer[] = [];
      for await (const chunk of message) {
        chunks.push(chunk);
      }
      arrived.push({
        sender: session.sender?.address,
        recipient: session.recipients[0]?.address,
        content: Buffer.concat(chunks),
        tls: session.tls,
      });
    },
  });
  const disconnected = (): Promise<string> =>
    new Promise((resolve) => {
      told = resolve;
    });
  return { smtpd, arrived, disconnected };
}

async function makeClient(tls: SmtpTlsOptions): Promise<Smtp> {
  const { Smtp } = await import('../client.js');
  return new Smtp({ myhostname: 'client.example', logger: printingLogger('smtp'), tls });
}

/** Sends a message and looks at what has come of it: the problems, none hopefully. */
async function deliver(
  message: DemoMessage,
  nexthop: string,
  smtp: Smtp,
  server: DemoServer,
): Promise<readonly string[]> {
  const { title, sender, recipient, content, bdat } = message;
  const ending = server.disconnected();
  const request = { sender, recipients: [recipient], message: content, bdat, nexthop };
  const [result] = (await smtp.deliver(request)).recipients;
  const arrival = server.arrived.pop();
  if (result?.status !== 'sent' || arrival === undefined) {
    return [`the ${title} message was ${result?.status ?? 'lost'}`];
  }
  // Waited for, so that the lines of one message stand together.
  const differences = compare(message, arrival, await ending);
  print(
    differences.length === 0
      ? 'The same bytes have arrived.'
      : `PROBLEM: ${differences.join('; ')}`,
  );
  return differences.map((difference) => `${title} message: ${difference}`);
}

/** What is different from what was sent and promised. */
function compare(message: DemoMessage, arrival: Arrival, ending: string): readonly string[] {
  const { content, tls } = arrival;
  const expected = {
    ...promised,
    sender: message.sender,
    recipient: message.recipient,
    command: message.bdat ? 'BDAT' : 'DATA',
  };
  const found: Partial<Record<keyof typeof expected, string | null | undefined>> = {
    protocol: tls?.protocol,
    group: tls?.group,
    key: tls?.server?.algorithm,
    sender: arrival.sender,
    recipient: arrival.recipient,
    command: / bdat=/.test(ending) ? 'BDAT' : 'DATA',
  };
  const differences = Object.entries(expected)
    .filter(([name, value]) => found[name as keyof typeof found] !== value)
    .map(([name, value]) => `${name} is ${found[name as keyof typeof found]}, not ${value}`);
  if (!content.equals(message.content)) {
    differences.push(`${content.length} bytes arrived and they differ from what was sent`);
  }
  return differences;
}

function verdict(problems: readonly string[]): number {
  if (problems.length === 0) {
    print(
      `\nOK: five messages arrived byte for byte over ${promised.protocol}` +
        ` with key exchange ${promised.group} and an ${promised.key} server key.`,
    );
    return exitCode.ok;
  }
  print(`\nFAILED: ${problems.join('; ')}`);
  return exitCode.failed;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printingLogger(service: LogService): ReturnType<typeof streamLogger> {
  return streamLogger({ service, write: (line) => process.stdout.write(line) });
}

export const demoCommand: Command = {
  name: 'demo',
  summary: 'send real mail through both engines under post-quantum TLS',
  help,
  run,
};
