// What a run needs besides node: the C programs, made by cmake from native/bench with the OpenSSL
// that the addon is built with, and certificates that stay in build/bench for the next run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOpenssl } from '../openssl.mjs';
import { Sentence } from '../say.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const BUILD = join(ROOT, 'build', 'bench');

const KEYS = {
  ecdsa: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa4096: ['-newkey', 'rsa:4096'],
  rsa2048: ['-newkey', 'rsa:2048'],
  mldsa65: ['-newkey', 'ml-dsa-65'],
};

function must(what, command, args) {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}\n`);
    throw new Sentence(`bench: ${what} failed; see above.`);
  }
}

/** A file with a private key and its self-signed certificate. */
function makeChain(openssl, name) {
  const file = (end) => join(BUILD, `${name}-${end}.pem`);
  if (!existsSync(file('chain'))) {
    must('making a certificate', openssl.bin ?? 'openssl', [
      ...['req', '-x509', ...KEYS[name], '-nodes', '-subj', '/CN=bench.test', '-days', '3650'],
      ...['-keyout', file('key'), '-out', file('cert')],
    ]);
    const pem = ['key', 'cert'].map((end) => readFileSync(file(end), 'utf8'));
    writeFileSync(file('chain'), pem.join(''), { mode: 0o600 });
  }
  return file('chain');
}

/** node:tls sends two tickets unless the library's configuration says otherwise. */
function makeNodeConfig(tickets) {
  const file = join(BUILD, `node-${tickets}.cnf`);
  const lines = [
    'nodejs_conf = init',
    ...['[init]', 'ssl_conf = modules', '[modules]', 'system_default = tls'],
    ...['[tls]', `NumTickets = ${tickets}`, ''],
  ];
  writeFileSync(file, lines.join('\n'));
  return file;
}

/**
 * @typedef {object} Kit
 * @property {string} floor      the C server
 * @property {string} load       the load generator
 * @property {Record<keyof typeof KEYS, string>} chains
 * @property {string} nodeConfig OpenSSL configuration for the node:tls peers
 * @property {number} tickets    session tickets per handshake, on every server
 * @property {string} openssl    version
 * @property {string} opensslProgram
 * @returns {Kit}
 */
export function prepareKit() {
  const openssl = findOpenssl();
  if (openssl === null) {
    throw new Sentence('bench needs OpenSSL >= 3.5; run `npm run build:native` once.');
  }
  mkdirSync(BUILD, { recursive: true });
  must('configuring native/bench', 'cmake', ['-S', 'native/bench', '-B', BUILD]);
  must('compiling native/bench', 'cmake', ['--build', BUILD]);
  return {
    floor: join(BUILD, 'bench_floor'),
    load: join(BUILD, 'bench_load'),
    chains: Object.fromEntries(Object.keys(KEYS).map((name) => [name, makeChain(openssl, name)])),
    nodeConfig: makeNodeConfig(1),
    tickets: 1,
    openssl: openssl.version,
    opensslProgram: openssl.bin ?? 'openssl',
  };
}
