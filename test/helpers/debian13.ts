/**
 * Programs of Debian 13: this machine's where it is one and has them, else those of a private root
 * (`scripts/trixie-root.mjs`).
 *
 * Either way they run in process and mount namespaces of their own, which end with the process that
 * the command line starts.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureTrixieRoot, inRoot, trixieRoot, whyNoRoot } from '../../scripts/trixie-root.mjs';

const programs = [
  ...['/usr/sbin/postfix', '/usr/bin/swaks'],
  ...['/usr/sbin/nsd', '/usr/sbin/unbound', '/usr/bin/ldns-signzone'],
];

function isDebian13(): boolean {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^VERSION_CODENAME=trixie$/m.test(release) && programs.every((file) => existsSync(file));
}

const direct = isDebian13();

/** Why tests of these programs cannot run here; null when they can. */
export function whyNoDebian13(): string | null {
  if (!direct) {
    return whyNoRoot();
  }
  return process.getuid?.() === 0 ? null : 'Postfix can only be started by root.';
}

/** Gets it ready, which takes minutes once. */
export function prepareDebian13(): void {
  if (!direct) {
    ensureTrixieRoot();
  }
}

/** The command line that runs `command` there; `directory` is the same inside and outside. */
export function inDebian13(command: readonly string[], directory: string): readonly string[] {
  if (!direct) {
    return inRoot(command, { binds: [directory], cwd: directory });
  }
  const script = 'mount -t proc proc /proc && cd "$0" && exec "$@"';
  const namespaces = ['unshare', '--mount', '--propagation', 'private', '--pid', '--kill-child'];
  return [...namespaces, 'sh', '-c', script, directory, ...command];
}

/** Runs a command to its end; what it printed. */
export function runInDebian13(command: readonly string[], directory: string, input = ''): string {
  const [program = '', ...args] = inDebian13(command, directory);
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
  const done = spawnSync(program, args, { env, input, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) {
    throw new Error(`${command[0]} ended with ${done.status}:\n${done.stdout}${done.stderr}`);
  }
  return done.stdout;
}

/** The same for a peer of a server in this process, which has to stay awake: exit code and all that was printed. */
export async function peerInDebian13(
  command: readonly string[],
  directory: string,
  input: string,
): Promise<{ readonly code: number | null; readonly transcript: string }> {
  const [program = '', ...args] = inDebian13(command, directory);
  const child = spawn(program, args, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
  let transcript = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      transcript += text;
    });
  }
  child.stdin.on('error', () => undefined); // its transcript says why
  child.stdin.end(input);
  await once(child as ChildProcess, 'close');
  return { code: child.exitCode, transcript };
}

/** Takes away the place in the private root where `directory` was seen. */
export function forgetDirectory(directory: string): void {
  const place = join(trixieRoot(), directory);
  if (!direct && existsSync(place)) {
    rmdirSync(place);
  }
}
