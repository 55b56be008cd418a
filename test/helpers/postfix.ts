/**
 * The distribution's Postfix as a peer: an instance of its own, with queue, data and mailboxes in a
 * temporary directory, on a loopback address that nobody else uses. It logs to its standard output,
 * and ends when its standard input does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { certificate, type KeyAlgorithm } from './certificates.js';
import { forgetDirectory, inDebian13, runInDebian13 } from './debian13.js';
import { dovecotAuth, type IsPassword } from './dovecot-auth.js';
import { Lines } from './lines.js';

const nobody = 65534;
const services = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

export interface PostfixOptions {
  /** Keys of its smtpd. */
  readonly keys: readonly KeyAlgorithm[];
  /** Addresses of postfix.example that it takes. */
  readonly mailboxes: readonly string[];
  /** Destination domain or recipient to next hop, `[127.0.0.1]:2525`, or to transport and next hop. */
  readonly transport: Readonly<Record<string, string>>;
  /** Further lines of main.cf. */
  readonly main: Readonly<Record<string, string>>;
  /** More smtpds, by name, with parameters of their own. */
  readonly smtpds?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The same at places of the caller's choice, `127.0.0.9:2525`. */
  readonly smtpdsAt?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** More smtp(8) transports, by name, with parameters of their own. */
  readonly transports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Address of the name server, whose AD bit counts; at port 53, since resolv.conf(5) knows no other. */
  readonly nameserver?: string;
  /** What a password has to be to let a user in; without it there is no AUTH. */
  readonly isPassword?: IsPassword;
  /** Files for those lines, by their names in `$config_directory`. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface Place {
  readonly address: string;
  readonly port: number;
}

export class Postfix {
  readonly address: string;
  readonly port: number;
  /** Its log, `postfix/smtpd[123]: text`. */
  readonly lines = new Lines();

  readonly #directory = mkdtempSync(join(tmpdir(), 'mxtls-postfix-'));
  readonly #ports = new Map<string, number>();
  #auth: Server | null = null;
  #end: () => void = () => undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor({ address, port }: Place) {
    this.address = address;
    this.port = port;
  }

  static async start(options: PostfixOptions): Promise<Postfix> {
    const place = await freePlace();
    const postfix = new Postfix(place);
    try {
      const names = Object.keys(options.smtpds ?? {});
      const ports = await freePorts(place.address, names.length);
      for (const [i, name] of names.entries()) {
        postfix.#ports.set(name, ports[i] ?? 0);
      }
      postfix.#configure(options);
      await postfix.#run();
    } catch (error) {
      await postfix.stop();
      throw error;
    }
    return postfix;
  }

  /** `[address]:port` of its smtpd. */
  get nexthop(): string {
    return `[${this.address}]:${this.port}`;
  }

  /** The port of one of `smtpds`. */
  portOf(name: string): number {
    return this.#ports.get(name) ?? 0;
  }

  /** Where one of `smtpds` listens. */
  placeOf(name: string): Place {
    return { address: this.address, port: this.portOf(name) };
  }

  /** Hands a message to sendmail(1). */
  submit(sender: string, recipients: readonly string[], message: string): void {
    const options = ['-C', this.#file('etc'), '-i', '-f', sender, '--'];
    runInDebian13(['sendmail', ...options, ...recipients], this.#directory, message);
  }

  /** Hands the same message to sendmail(1) for each list of recipients, while this process goes on. */
  async submitEach(
    sender: string,
    recipientLists: readonly (readonly string[])[],
    message: string,
  ): Promise<void> {
    writeFileSync(this.#file('message'), message);
    const script =
      'while read -r list; do sendmail -C "$PWD/etc" -i -f "$0" -- $list <message; done';
    const [program = '', ...args] = inDebian13(['sh', '-ec', script, sender], this.#directory);
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
    const child = spawn(program, args, { env, stdio: ['pipe', 'inherit', 'inherit'] });
    child.stdin.end(recipientLists.map((list) => `${list.join(' ')}\n`).join(''));
    const [status] = await once(child, 'close');
    if (status !== 0) {
      throw new Error(`sendmail ended with ${status}`);
    }
  }

  /** Messages in the mailbox of an address. */
  mails(recipient: string): string[] {
    const folder = this.#file('mail', recipient, 'new');
    return existsSync(folder)
      ? readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
      : [];
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#ended;
    this.#auth?.close();
    forgetDirectory(this.#directory);
    rmSync(this.#directory, { recursive: true });
  }

  #file(...parts: readonly string[]): string {
    return join(this.#directory, ...parts);
  }

  #configure({
    keys,
    mailboxes,
    transport,
    main,
    files = {},
    smtpds,
    smtpdsAt = {},
    transports = {},
    nameserver,
    isPassword,
  }: PostfixOptions): void {
    chmodSync(this.#directory, 0o755);
    for (const folder of ['etc', 'spool', 'data', 'mail']) {
      mkdirSync(this.#file(folder));
    }
    chownSync(this.#file('mail'), nobody, nobody);
    for (const key of keys) {
      copyFileSync(certificate(key).chainFile, this.#file('etc', `${key}.pem`));
    }
    if (isPassword !== undefined) {
      this.#auth = dovecotAuth(this.#file('auth'), isPassword);
    }
    for (const [name, file] of Object.entries(files)) {
      copyFileSync(file, this.#file('etc', name));
    }
    if (nameserver !== undefined) {
      const text = `nameserver ${nameserver}\noptions trust-ad edns0\n`;
      writeFileSync(this.#file('resolv.conf'), text);
    }
    const boxes = mailboxes.map((address) => `{ ${address} = ${address}/ }`);
    const routes = Object.entries(transport).map(
      ([key, hop]) => `{ ${key} = ${hop.startsWith('[') ? `smtp:${hop}` : hop} }`,
    );
    const parameters = {
      compatibility_level: '3.9',
      queue_directory: this.#file('spool'),
      data_directory: this.#file('data'),
      maillog_file: '/dev/stdout',
      myhostname: 'postfix.example',
      mydestination: '',
      inet_interfaces: '127.0.0.1',
      inet_protocols: 'ipv4',
      smtp_dns_support_level: 'disabled',
      smtpd_peername_lookup: 'no',
      smtpd_relay_restrictions: 'reject_unauth_destination',
      alias_maps: '',
      virtual_mailbox_domains: 'postfix.example',
      virtual_mailbox_base: this.#file('mail'),
      virtual_mailbox_maps: `inline:{ ${boxes.join(', ')} }`,
      virtual_uid_maps: `static:${nobody}`,
      virtual_gid_maps: `static:${nobody}`,
      transport_maps: `inline:{ ${routes.join(', ')} }`,
      smtpd_tls_security_level: 'may',
      smtpd_tls_chain_files: keys.map((key) => this.#file('etc', `${key}.pem`)).join(', '),
      smtpd_tls_loglevel: '1',
      smtp_tls_security_level: 'encrypt',
      smtp_tls_loglevel: '1',
      smtpd_sasl_type: 'dovecot',
      smtpd_sasl_path: this.#file('auth'),
      ...main,
    };
    const lines = Object.entries(parameters).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(this.#file('etc', 'main.cf'), lines.join(''));
    const others = Object.entries(smtpds ?? {}).map(([name, own]) =>
      smtpdService(`${this.address}:${this.portOf(name)}`, own),
    );
    const placed = Object.entries(smtpdsAt).map(([place, own]) => smtpdService(place, own));
    const smtpd = smtpdService(`${this.address}:${this.port}`, {});
    const more = Object.entries(transports).map(
      ([name, own]) => `${name} unix - - n - - smtp${optionLines(own)}\n`,
    );
    writeFileSync(
      this.#file('etc', 'master.cf'),
      [smtpd, ...others, ...placed, services, ...more].join(''),
    );
  }

  /** Resolves when it listens. */
  async #run(): Promise<void> {
    // The last `cat` is the first process of the namespace: when it ends, all others are killed. The
    // other one gives Postfix a pipe to open by name, which it cannot do with a socket.
    const script =
      'if test -e resolv.conf; then mount --bind resolv.conf /etc/resolv.conf; fi; ' +
      'chown postfix data; { postfix -c "$PWD/etc" start-fg; echo it has ended; } 2>&1 | cat & exec cat';
    const [program = '', ...args] = inDebian13(['sh', '-c', script], this.#directory);
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
    const child = spawn(program, args, { env, stdio: 'pipe' });
    this.#ended = once(child, 'close').then(() => this.lines.info('it has ended'));
    this.#end = () => child.stdin.end();
    child.stdin.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        this.lines.info(line.replace(/^.*? (?=postfix\/)/, ''));
      });
    }
    const line = await this.lines.line(/daemon started|fatal:|it has ended/);
    if (!line.includes('daemon started')) {
      throw new Error(`Postfix does not start:\n${this.lines.all.join('\n')}`);
    }
  }
}

/** A line of master.cf. */
function smtpdService(place: string, parameters: Readonly<Record<string, string>>): string {
  return `${place} inet n - n - - smtpd${optionLines(parameters)}\n`;
}

function optionLines(parameters: Readonly<Record<string, string>>): string {
  const lines = Object.entries(parameters).map(([name, value]) => `\n  -o { ${name} = ${value} }`);
  return lines.join('');
}

/** A loopback address chosen by chance, and a port there chosen by the kernel. */
export async function freePlace(): Promise<Place> {
  const byte = (): number => 2 + Math.floor(Math.random() * 250);
  const address = `127.${byte()}.${byte()}.${byte()}`;
  const [port = 0] = await freePorts(address, 1);
  return { address, port };
}

/** Different ones. */
async function freePorts(address: string, count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, address));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(
    servers.map(async (server) => {
      server.close();
      await once(server, 'close');
    }),
  );
  return ports;
}
