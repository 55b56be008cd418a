/**
 * DNS with signatures, for real: an authoritative server (NSD) with zones that the test declares, and
 * validating resolvers (Unbound) above it, which trust the root key of this world. Distribution packages,
 * on loopback addresses and ports that nobody else uses, in a temporary directory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { forgetDirectory, inDebian13 } from '../debian13.js';
import { Lines } from '../lines.js';
import { freePlace } from '../postfix.js';
import { writeZones, type ZoneFiles, type Zones } from './zones.js';

export type { Zones, ZoneSpec, ZoneState } from './zones.js';

interface Place {
  readonly address: string;
  readonly port: number;
}

/** How a resolver differs from the ordinary one. */
interface ResolverKind {
  readonly modules: 'validator iterator' | 'iterator';
  /** Extended DNS errors, which Unbound has to be told to give. */
  readonly ede: 'yes' | 'no';
}

export class SignedWorld {
  /** All that the servers log. */
  readonly lines = new Lines();

  readonly #directory = mkdtempSync(join(tmpdir(), 'mxtls-dns-'));
  readonly #children: { readonly process: ChildProcess; readonly closed: Promise<unknown> }[] = [];
  #nameserver = '';
  #atPort53 = '';
  #plain = '';
  #blind = '';

  private constructor() {
    chmodSync(this.#directory, 0o755);
  }

  /** @param resolvConf with {@link addressAtPort53} */
  static async start(zones: Zones, resolvConf = false): Promise<SignedWorld> {
    const world = new SignedWorld();
    try {
      await world.#start(zones, resolvConf);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  /** `address:port` of a resolver that validates and says why it refuses. */
  get nameserver(): string {
    return this.#nameserver;
  }

  /** Where {@link nameserver} answers for those who know it by resolv.conf(5), which has no ports. */
  get addressAtPort53(): string {
    return this.#atPort53;
  }

  /** One that validates and answers plain SERVFAIL, as Unbound does by default. */
  get nameserverWithoutReasons(): string {
    return this.#plain;
  }

  /** One that does not validate. */
  get nameserverWithoutValidation(): string {
    return this.#blind;
  }

  async close(): Promise<void> {
    for (const { process } of this.#children) {
      process.stdin?.end();
    }
    await Promise.all(this.#children.map(({ closed }) => closed));
    forgetDirectory(this.#directory);
    rmSync(this.#directory, { recursive: true });
  }

  async #start(zones: Zones, resolvConf: boolean): Promise<void> {
    const authority = await freePlace();
    const files = writeZones(this.#directory, authority.address, zones);
    const nsd = this.#file('nsd.conf', nsdConf(authority, this.#directory, files));
    await this.#run('nsd', ['nsd', '-d', '-c', nsd], /nsd started/);
    if (resolvConf) {
      ({ address: this.#atPort53 } = await freePlace());
    }
    const resolver = async (name: string, kind: ResolverKind): Promise<string> => {
      const place = await freePlace();
      const at53 = resolvConf && name === 'unbound' ? [{ address: this.#atPort53, port: 53 }] : [];
      const conf = unboundConf([place, ...at53], authority, this.#directory, files, kind);
      await this.#run(
        name,
        ['unbound', '-d', '-c', this.#file(`${name}.conf`, conf)],
        /start of service/,
      );
      return `${place.address}:${place.port}`;
    };
    const modules = 'validator iterator';
    this.#nameserver = await resolver('unbound', { modules, ede: 'yes' });
    this.#plain = await resolver('unbound-plain', { modules, ede: 'no' });
    this.#blind = await resolver('unbound-blind', { modules: 'iterator', ede: 'no' });
  }

  #file(name: string, text: string): string {
    const file = join(this.#directory, name);
    writeFileSync(file, text);
    return file;
  }

  /** Resolves when it logs `started`. It ends when its standard input does. */
  async #run(name: string, command: readonly string[], started: RegExp): Promise<void> {
    // The last `cat` is the first process of the namespace: when it ends, all others are killed.
    const script = '{ "$@"; echo it has ended; } 2>&1 | cat & exec cat';
    const [program = '', ...args] = inDebian13(
      ['sh', '-c', script, 'sh', ...command],
      this.#directory,
    );
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
    const process = spawn(program, args, { env, stdio: 'pipe' });
    const ended = (): void => this.lines.info(`${name}: it has ended`);
    this.#children.push({ process, closed: once(process, 'close').then(ended) });
    process.stdin.on('error', () => undefined);
    for (const stream of [process.stdout, process.stderr]) {
      createInterface(stream).on('line', (line) => this.lines.info(`${name}: ${line}`));
    }
    const pattern = `^${name}: .*(?:${started.source}|it has ended)`;
    const line = await this.lines.line(new RegExp(pattern));
    if (line.endsWith('it has ended')) {
      throw new Error(`${name} does not start:\n${this.lines.all.join('\n')}`);
    }
  }
}

function nsdConf({ address, port }: Place, directory: string, { zones }: ZoneFiles): string {
  const list = [...zones].map(
    ([zone, file]) => `zone:\n  name: "${zone}"\n  zonefile: "${file}"\n`,
  );
  return `server:
  ip-address: ${address}@${port}
  username: ""
  zonesdir: "${directory}"
  zonelistfile: "${directory}/zone.list"
  xfrdfile: ""
  xfrdir: "${directory}"
  pidfile: ""
  verbosity: 1
remote-control:
  control-enable: no
${list.join('')}`;
}

function unboundConf(
  places: readonly Place[],
  authority: Place,
  directory: string,
  { zones, trustAnchor }: ZoneFiles,
  { modules, ede }: ResolverKind,
): string {
  // Unbound answers for test. and others itself unless told not to.
  const tops = [...zones.keys()].filter((zone) => zone !== '.' && !zone.includes('.'));
  const open = tops.map((zone) => `  local-zone: "${zone}." nodefault\n`);
  // One for each zone: referrals know no ports, and would lead to port 53.
  const at = `${authority.address}@${authority.port}`;
  const stubs = [...zones.keys()].map(
    (zone) => `stub-zone:\n  name: "${zone}"\n  stub-addr: ${at}\n`,
  );
  const interfaces = places.map(({ address, port }) => `  interface: ${address}@${port}\n`);
  return `server:
${interfaces.join('')}  do-ip6: no
  num-threads: 1
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  qname-minimisation: no
  module-config: "${modules}"
  trust-anchor-file: "${trustAnchor}"
  ede: ${ede}
  val-log-level: 1
${open.join('')}remote-control:
  control-enable: no
${stubs.join('')}`;
}
