/** Debian 13's smtp(8) in the world of the recorded cases: one message to all destinations at all levels. */
import type { Lines } from '../lines.js';
import { Postfix } from '../postfix.js';
import type { SmtpRow } from './cases.js';
import { undotted } from './records.js';
import type { TruthWorld } from './truth-world.js';

/** What Postfix wrote about one delivery. */
export interface PostfixDelivery {
  readonly status: string;
  readonly dsn: string;
  /** `host[address]:port` or `none` */
  readonly relay: string;
  /** The reason, or the server's reply. */
  readonly text: string;
  /** The summary line of the TLS session that it came of; null: there was none. */
  readonly summary: string | null;
}

type Destination = Pick<SmtpRow, 'case' | 'level'>;

export class PostfixClient {
  readonly #postfix: Postfix;
  readonly #world: TruthWorld;

  private constructor(postfix: Postfix, world: TruthWorld) {
    this.#postfix = postfix;
    this.#world = world;
  }

  /** As the recording was made, for these destinations. */
  static async start(
    world: TruthWorld,
    destinations: readonly Destination[],
  ): Promise<PostfixClient> {
    const levels = new Set(destinations.map(({ level }) => level));
    const transports = [...levels].map((level) => [
      `via-${level}`,
      { smtp_tls_security_level: level, syslog_name: `postfix/${level}` },
    ]);
    const routes = destinations.map((destination) => [
      recipientOf(world, destination),
      `via-${destination.level}:${world.destinationOf(world.caseOf(destination.case))}`,
    ]);
    const postfix = await Postfix.start({
      keys: ['ecdsa'],
      mailboxes: [],
      nameserver: world.addressAtPort53,
      transports: Object.fromEntries(transports),
      transport: Object.fromEntries(routes),
      main,
      files: {
        'client.pem': world.certificates.of('client').chainFile,
        'lab.pem': world.certificates.of('lab-root').certFile,
      },
    });
    return new PostfixClient(postfix, world);
  }

  get lines(): Lines {
    return this.#postfix.lines;
  }

  /** Sends one message to all of them. */
  async deliver(
    destinations: readonly Destination[],
    message: string,
  ): Promise<ReadonlyMap<Destination, PostfixDelivery>> {
    const recipients = destinations.map((destination) => recipientOf(this.#world, destination));
    this.#postfix.submit('a@client.example', recipients, message);
    const { lines } = this.#postfix;
    for (const recipient of recipients) {
      await lines.line(new RegExp(`: to=<${recipient}>`));
    }
    const deliveries = readDeliveries(lines.all);
    return new Map(
      destinations.flatMap((destination, i) => {
        const delivery = deliveries.get(recipients[i] ?? '');
        return delivery === undefined ? [] : [[destination, delivery] as const];
      }),
    );
  }

  stop(): Promise<void> {
    return this.#postfix.stop();
  }
}

const main = {
  smtp_dns_support_level: 'dnssec',
  inet_protocols: 'all',
  minimal_backoff_time: '4000s',
  default_process_limit: '10',
  smtp_connection_cache_on_demand: 'no',
  smtp_tls_enable_rpk: 'yes',
  smtp_tls_chain_files: '$config_directory/client.pem',
  smtp_tls_CAfile: '$config_directory/lab.pem',
  // The groups of OpenSSL, post-quantum ones among them.
  tls_eecdh_auto_curves: '',
  tls_ffdhe_auto_groups: '',
};

function recipientOf(world: TruthWorld, { case: name, level }: Destination): string {
  return `${name}.${level}@${undotted(world.caseOf(name).domain)}`;
}

/** By recipient. Each process makes one delivery at a time. */
function readDeliveries(lines: readonly string[]): ReadonlyMap<string, PostfixDelivery> {
  const deliveries = new Map<string, PostfixDelivery>();
  const summaries = new Map<string, string>();
  for (const line of lines) {
    const [, pid = '', text = ''] = /^postfix\/[\w-]+\/smtp\[(\d+)\]: (.*)$/.exec(line) ?? [];
    if (/^\w+ TLS connection established to /.test(text)) {
      summaries.set(pid, text);
    } else if (/^SSL_connect error/.test(text)) {
      summaries.delete(pid);
    }
    const record =
      /^\w+: to=<(.*?)>, relay=(.*?), delay=.*, dsn=(.*?), status=(\w+) \((.*)\)$/.exec(text);
    if (record !== null) {
      const [, recipient = '', relay = '', dsn = '', status = '', reply = ''] = record;
      const summary = summaries.get(pid) ?? null;
      deliveries.set(recipient, { status, dsn, relay, text: reply, summary });
      summaries.delete(pid);
    }
  }
  return deliveries;
}
