/**
 * The distribution's Exim (GnuTLS) as a server: an instance of its own in a temporary directory, on a loopback address
 * that nobody else uses. It queues what it gets. It ends when its standard input does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureTrixieRoot, inRoot, trixieRoot } from '../../scripts/trixie-root.mjs';
import type { Certificate } from './certificates.js';
import { Lines } from './lines.js';
import { freePlace } from './postfix.js';

export interface EximOptions {
  readonly certificate: Certificate;
  /** File of CAs: clients are asked for a certificate. */
  readonly clientCa?: string;
  /** Further lines of the main section. */
  readonly main?: readonly string[];
}

export class Exim {
  readonly address: string;
  readonly port: number;
  /** Its main log, without times. */
  readonly lines = new Lines();
  readonly #directory = mkdtempSync(join(tmpdir(), 'mxtls-exim-'));
  #end: () => void = () => undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(address: string, port: number) {
    this.address = address;
    this.port = port;
  }

  static async start(options: EximOptions): Promise<Exim> {
    ensureTrixieRoot(); // on Debian 13, too, where Exim and Postfix cannot both be installed
    const { address, port } = await freePlace();
    const exim = new Exim(address, port);
    try {
      exim.#configure(options);
      await exim.#run();
    } catch (error) {
      await exim.stop();
      throw error;
    }
    return exim;
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#ended;
    rmdirSync(join(trixieRoot(), this.#directory));
    rmSync(this.#directory, { recursive: true });
  }

  #configure({ certificate, clientCa, main = [] }: EximOptions): void {
    chmodSync(this.#directory, 0o755);
    for (const folder of ['spool', 'log', 'tls']) {
      mkdirSync(join(this.#directory, folder));
    }
    const copy = (from: string, name: string): string => {
      const file = join(this.#directory, 'tls', name);
      copyFileSync(from, file);
      return file;
    };
    const asked =
      clientCa === undefined
        ? []
        : ['tls_try_verify_hosts = *', `tls_verify_certificates = ${copy(clientCa, 'ca.pem')}`];
    const lines = [
      'primary_hostname = exim.example',
      `local_interfaces = ${this.address}`,
      `daemon_smtp_ports = ${this.port}`,
      `spool_directory = ${this.#directory}/spool`,
      `log_file_path = ${this.#directory}/log/%s`,
      'log_selector = +tls_cipher +tls_peerdn +tls_certificate_verified',
      'queue_only',
      'tls_advertise_hosts = *',
      `tls_certificate = ${copy(certificate.chainFile, 'chain.pem')}`,
      `tls_privatekey = ${copy(certificate.keyFile, 'key.pem')}`,
      ...asked,
      ...main,
      'acl_smtp_rcpt = everything',
      'begin acl',
      'everything:',
      '  accept',
    ];
    writeFileSync(join(this.#directory, 'exim.conf'), lines.map((line) => `${line}\n`).join(''));
  }

  /** Resolves when it listens. */
  async #run(): Promise<void> {
    // The last `cat` is the first process of the namespace: when it ends, all others are killed.
    const script = [
      'touch log/main; chown -R Debian-exim spool log tls',
      '{ /opt/exim/usr/sbin/exim4 -C "$PWD/exim.conf" -bdf; echo it has ended; } 2>&1 | cat &',
      'tail -n +1 -F log/main & exec cat',
    ].join('\n');
    const [program = '', ...args] = inRoot(['sh', '-c', script], {
      binds: [this.#directory],
      cwd: this.#directory,
    });
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
    const child = spawn(program, args, { env, stdio: 'pipe' });
    this.#ended = once(child, 'close').then(() => this.lines.info('it has ended'));
    this.#end = () => child.stdin.end();
    child.stdin.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        this.lines.info(line.replace(/^\d{4}-\d\d-\d\d [\d:]+ /, ''));
      });
    }
    const line = await this.lines.line(/daemon started|it has ended/);
    if (line.includes('it has ended')) {
      throw new Error(`Exim does not start:\n${this.lines.all.join('\n')}`);
    }
  }
}
