// The servers that are compared. Each is found once; one that cannot be had carries the reason and
// appears in the table as not measured.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeProgram } from '../smoke.mjs';
import { LineChild } from './process.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const PEERS = ['20', '24'];

/**
 * @typedef {object} Server
 * @property {string} name                 floor, mxtls, node20, node24, smtp-server
 * @property {string} version
 * @property {string | null} missing       why it cannot be measured
 * @property {readonly string[] | null} lacks  groups its OpenSSL does not know
 * @property {boolean} [chunking]          SMTP servers: it has BDAT
 * @property {(settings: Settings) => LineChild} spawn
 * @property {() => Pick<Server, 'name' | 'spawn'>} [withFixedKey]  mxtls whose tickets OpenSSL makes
 * @property {(folder: string) => Pick<Server, 'name' | 'spawn'>} [withTlsmgr]  mxtls with a tlsmgr service
 * @property {(table: string) => Pick<Server, 'name' | 'spawn'>} [withNames]  mxtls with a table of names
 *
 * @typedef {object} Settings
 * @property {string} chain
 * @property {string} groups
 * @property {boolean} delay               watch the event loop
 * @property {number} [limit]              connections at a time; more are turned away
 */

/** @returns {Server} */
function floorServer(kit, extra = []) {
  return {
    name: 'floor',
    version: `OpenSSL ${kit.openssl}`,
    missing: null,
    lacks: [],
    spawn: ({ chain, groups }) =>
      new LineChild(kit.floor, [
        ...['--chain', chain, '--groups', groups, '--tickets', String(kit.tickets)],
        ...extra,
      ]),
  };
}

function nodeArguments(script, { chain, groups, delay, limit }) {
  return [
    ...[join(HERE, script), '--chain', chain, '--groups', groups],
    ...(delay ? ['--delay'] : []),
    ...(limit === undefined ? [] : ['--limit', String(limit)]),
  ];
}

/** Loads the package in a child, so that a binary that cannot be loaded is only a reason. */
function mxtlsServer(program) {
  const dist = join(HERE, '..', '..', 'dist', 'addon.js');
  const script = `
    const answer = await import(${JSON.stringify(dist)}).then(
      ({ addon }) => ({ info: addon.libraryInfo() }),
      (error) => ({ missing: error.message }),
    );
    console.log(JSON.stringify(answer));`;
  const tried = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  const { info, missing } =
    tried.status === 0 ? JSON.parse(tried.stdout) : { missing: 'it does not run here' };
  return {
    name: 'mxtls',
    version: info === undefined ? 'unknown' : `OpenSSL ${info.runtime}, ${info.mode}`,
    missing: existsSync(dist) ? (missing ?? null) : 'dist/ is missing; run `npm run build`',
    lacks: [],
    spawn: (settings) => new LineChild(process.execPath, nodeArguments(program, settings)),
    withFixedKey: () => ({
      name: 'mxtls, fixed key',
      spawn: (settings) =>
        new LineChild(process.execPath, [
          ...nodeArguments(program, settings),
          '--fixed-ticket-key',
        ]),
    }),
    withTlsmgr: (folder) => ({
      name: 'mxtls',
      spawn: (settings) =>
        new LineChild(process.execPath, [
          ...nodeArguments('mxtls-tlsmgr-server.mjs', settings),
          ...['--tlsmgr', folder],
        ]),
    }),
    withNames: (table) => ({
      name: 'mxtls',
      spawn: (settings) =>
        new LineChild(process.execPath, [
          ...nodeArguments('mxtls-sni-server.mjs', settings),
          ...['--sni', table],
        ]),
    }),
  };
}

/** This node where it is of that release, else the one from npm. */
function findNode(release) {
  if (process.versions.node.startsWith(`${release}.`)) {
    return { program: process.execPath, missing: null };
  }
  try {
    return { program: nodeProgram(release), missing: null };
  } catch (error) {
    return { program: '', missing: error.message };
  }
}

/** @returns {Server} */
function nodeServer(kit, release) {
  const { program, missing } = findNode(release);
  const asked = spawnSync(program, ['-p', 'JSON.stringify(process.versions)'], {
    encoding: 'utf8',
  });
  const versions = asked.status === 0 ? JSON.parse(asked.stdout) : null;
  const [major, minor] = (versions?.openssl ?? '0.0').split('.').map(Number);
  const hasMlKem = major > 3 || (major === 3 && minor >= 5);
  return {
    name: `node${release}`,
    version: versions === null ? 'unknown' : `node ${versions.node}, OpenSSL ${versions.openssl}`,
    missing: versions === null ? (missing ?? 'it does not run here') : null,
    lacks: hasMlKem ? [] : ['X25519MLKEM768'],
    spawn: (settings) =>
      new LineChild(program, [
        `--openssl-config=${kit.nodeConfig}`,
        ...nodeArguments('node-tls-server.mjs', settings),
      ]),
  };
}

/** The version of a devDependency, or null. */
export function packageVersion(name) {
  try {
    return createRequire(import.meta.url)(`${name}/package.json`).version;
  } catch {
    return null;
  }
}

/** npm's smtp-server on this node. @returns {Server} */
function smtpServer(kit) {
  const version = packageVersion('smtp-server');
  return {
    name: 'smtp-server',
    version: `${version ?? 'unknown'}, node ${process.versions.node}`,
    missing: version === null ? 'it is not installed; run `npm ci`' : null,
    lacks: [],
    spawn: (settings) =>
      new LineChild(process.execPath, [
        `--openssl-config=${kit.nodeConfig}`,
        ...nodeArguments('smtp-server.mjs', settings),
      ]),
  };
}

/** The servers of the SMTP figures. @returns {Server[]} */
export function findSmtpServers(kit) {
  return [
    { ...floorServer(kit, ['--smtp']), chunking: true },
    { ...mxtlsServer('mxtls-smtp-server.mjs'), chunking: true },
    { ...smtpServer(kit), chunking: false },
  ];
}

/** @returns {Server[]} */
export function findServers(kit) {
  return [
    floorServer(kit),
    mxtlsServer('mxtls-server.mjs'),
    ...PEERS.map((release) => nodeServer(kit, release)),
  ];
}

/** Starts a server, hands it to `use` with its port, and stops it whatever happens. */
export async function withServer(server, settings, use) {
  const child = server.spawn(settings);
  try {
    const port = /^listening (\d+)$/.exec(await child.next())?.[1];
    if (port === undefined) {
      throw new Error(`${server.name} did not say where it listens`);
    }
    return await use(child, Number(port));
  } finally {
    await child.stop();
  }
}
