/** A real Valkey of Debian 13, alone or with sentinels, on loopback ports; gone when the test is over. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Certificate } from './certificates.js';
import { forgetDirectory, inDebian13 } from './debian13.js';

const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

/** The server cannot choose one itself. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

export class Valkey {
  readonly port: number;
  readonly #directory: string;
  readonly #command: readonly string[];
  #child: ChildProcess | null = null;

  constructor(port: number, directory: string, command: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#command = command;
  }

  async start(): Promise<void> {
    const [program = '', ...args] = inDebian13(this.#command, this.#directory);
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let said = '';
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (data: Buffer) => {
        said += data.toString();
        if (/Ready to accept connections|monitor master/.test(said)) {
          resolve();
        }
      });
      child.stderr.on('data', (data: Buffer) => {
        said += data.toString();
      });
      child.once('exit', () => reject(new Error(`Valkey ended: ${said}`)));
    });
  }

  /** kill -9 */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child !== null && child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-valkey-'));
  onTestFinished(() => {
    forgetDirectory(made);
    rmSync(made, { recursive: true, force: true });
  });
  return made;
}

/**
 * @param settings further lines of the configuration
 * @param chain for TLS, which is all that there is then
 */
export async function startValkey(
  settings: readonly string[] = [],
  chain: Pick<Certificate, 'certFile' | 'keyFile'> | null = null,
): Promise<Valkey> {
  const directory = folder();
  const port = await freePort();
  const file = join(directory, 'valkey.conf');
  if (chain !== null) {
    copyFileSync(chain.certFile, join(directory, 'cert.pem'));
    copyFileSync(chain.keyFile, join(directory, 'key.pem'));
  }
  writeFileSync(
    file,
    [
      ...[`${chain === null ? 'port' : 'port 0\ntls-port'} ${port}`, 'bind 127.0.0.1'],
      ...['save ""', `dir ${directory}`],
      ...(chain === null
        ? []
        : ['tls-cert-file cert.pem', 'tls-key-file key.pem', 'tls-ca-cert-file cert.pem']),
      ...settings,
    ].join('\n'),
  );
  const valkey = new Valkey(port, directory, ['/usr/bin/valkey-server', file]);
  onTestFinished(() => valkey.kill());
  await valkey.start();
  return valkey;
}

/** A sentinel that watches a master named `mx`. */
export async function startSentinel(master: number): Promise<Valkey> {
  const directory = folder();
  const port = await freePort();
  const file = join(directory, 'sentinel.conf');
  writeFileSync(
    file,
    [
      ...[`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`],
      `sentinel monitor mx 127.0.0.1 ${master} 1`,
      'sentinel down-after-milliseconds mx 500',
      'sentinel failover-timeout mx 2000',
    ].join('\n'),
  );
  const sentinel = new Valkey(port, directory, ['/usr/bin/valkey-sentinel', file]);
  onTestFinished(() => sentinel.kill());
  await sentinel.start();
  return sentinel;
}
