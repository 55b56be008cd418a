// A private Debian 13 root, for tests that need a system with OpenSSL 3.5 of its own and a node that
// shares it (Debian's nodejs), or that talk to the distribution's Postfix, Exim and swaks, on a machine
// that is something else.
//
// Made once with debootstrap into the user's cache, from the mirror that this machine's apt is
// configured with. Needs root (mounts, chroot). Prints the directory; `inRoot` runs a command there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { forSuite, readAptSources, toDeb822 } from './apt-sources.mjs';
import { runLocked } from './lock.mjs';
import { cacheDir } from './openssl-private.mjs';
import { run, Sentence, say } from './say.mjs';

const PACKAGES = [
  ...['nodejs', 'libssl-dev', 'libnode-dev', 'g++', 'make', 'python3', 'openssl'],
  ...['postfix', 'swaks', 'libnet-ssleay-perl', 'gnutls-bin'],
  ...['nsd', 'unbound', 'ldnsutils'],
  ...['libidn12', 'libnsl2'],
  ...['valkey-server', 'valkey-sentinel'],
];
/** Unpacked beside the others with a user of its own: installed it would take Postfix away. */
const EXIM = [
  'cd /tmp && apt-get -q download exim4-daemon-light',
  'dpkg-deb -x exim4-daemon-light_*.deb /opt/exim && rm exim4-daemon-light_*.deb',
  'useradd --system --no-create-home Debian-exim',
].join(' && ');
const HASH = createHash('sha256')
  .update([...PACKAGES, EXIM].join(' '))
  .digest('hex')
  .slice(0, 12);

/** Where the finished root is, or would be. */
export function trixieRoot() {
  return join(cacheDir(), `trixie-${HASH}`);
}

/** Why a root cannot be made here, in one sentence; null when it can. */
export function whyNoRoot() {
  if (existsSync(trixieRoot())) {
    return process.getuid?.() === 0
      ? null
      : 'the private Debian 13 root can only be entered by root.';
  }
  if (process.getuid?.() !== 0) {
    return 'a private Debian 13 root can only be made by root; run as root once.';
  }
  if (spawnSync('debootstrap', ['--version']).status !== 0) {
    return 'debootstrap is missing; run `apt-get install debootstrap`.';
  }
  return forSuite(readAptSources(), 'trixie').length > 0
    ? null
    : 'apt on this machine has no Debian mirror in /etc/apt; add one.';
}

/** The root, made now if it does not exist. @returns {string} */
export function ensureTrixieRoot() {
  const reason = whyNoRoot();
  if (reason !== null) {
    throw new Sentence(reason);
  }
  if (!existsSync(trixieRoot())) {
    const lock = join(cacheDir(), 'trixie.lock');
    runLocked(lock, 'the Debian 13 root', fileURLToPath(import.meta.url), []);
  }
  if (!existsSync(trixieRoot())) {
    throw new Sentence(''); // the locked process has said why
  }
  return trixieRoot();
}

/**
 * The command line that runs `command` inside, with /proc and /dev, in mount and process namespaces
 * of its own, so that nothing stays mounted or running, even when it is killed. Each of `binds` is a
 * host directory that appears inside at the same path.
 * @param {readonly string[]} command @param {{ binds?: readonly string[], cwd?: string }} [options]
 * @returns {string[]}
 */
export function inRoot(command, { binds = [], cwd = '/' } = {}) {
  const script = [
    'set -e; PATH=$PATH:/usr/sbin:/sbin',
    'root=$1 cwd=$2 count=$3; shift 3',
    'mount -t proc proc "$root/proc"',
    'mount --rbind /dev "$root/dev"',
    'while [ "$count" -gt 0 ]; do',
    '  mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; count=$((count - 1))',
    'done',
    'exec chroot "$root" /bin/sh -c \'cd "$0" && exec "$@"\' "$cwd" "$@"',
  ].join('\n');
  const namespaces = ['unshare', '--mount', '--propagation', 'private', '--pid', '--kill-child'];
  const count = String(binds.length);
  return [...namespaces, 'sh', '-c', script, 'sh', trixieRoot(), cwd, count, ...binds, ...command];
}

function must(what, [command, ...args]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const done = spawnSync(command, args, { env, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) {
    const tail = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim().split('\n').slice(-15);
    say(`${command} said:\n${tail.join('\n')}`);
    throw new Sentence(`${what} failed while making the Debian 13 root; see above.`);
  }
}

function makeRoot() {
  const target = trixieRoot();
  if (existsSync(target)) {
    return;
  }
  const work = `${target}.part`;
  rmSync(work, { recursive: true, force: true }); // of a process that was killed
  mkdirSync(work, { recursive: true });
  const sources = forSuite(readAptSources(), 'trixie');
  const main = sources.find((source) => source.suite === 'trixie') ?? sources[0];
  const keyring = main.signedBy.startsWith('/')
    ? [`--keyring=${main.signedBy.split(/\s/)[0]}`]
    : [];
  say('making a private Debian 13 root (about a minute)');
  const options = ['--variant=minbase', '--include=ca-certificates', ...keyring];
  must('debootstrap', ['debootstrap', ...options, 'trixie', work, main.uri]);
  // No daemon starts in there, and names resolve as outside.
  writeFileSync(join(work, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  copyFileSync('/etc/resolv.conf', join(work, 'etc/resolv.conf'));
  copyFileSync('/etc/hosts', join(work, 'etc/hosts'));
  rmSync(join(work, 'etc/apt/sources.list'), { force: true });
  const plain = sources.map((source) => ({ ...source, signedBy: '' }));
  writeFileSync(join(work, 'etc/apt/sources.list.d/debian.sources'), toDeb822(plain, 'deb'));
  say(`installing ${PACKAGES.join(' ')}`);
  must('apt-get update', ['chroot', work, 'apt-get', '-q', 'update']);
  const install = ['apt-get', '-q', 'install', '-y', '--no-install-recommends', ...PACKAGES];
  must('apt-get install', ['chroot', work, ...install]);
  must('unpacking Exim', ['chroot', work, 'sh', '-c', EXIM]);
  rmSync(join(work, 'var/cache/apt/archives'), { recursive: true, force: true });
  renameSync(work, target);
  say(`the Debian 13 root is ready in ${target}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(() => {
    if (process.argv.includes('--locked')) {
      makeRoot();
    } else {
      process.stdout.write(`${ensureTrixieRoot()}\n`);
    }
  });
}
