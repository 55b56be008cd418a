// The clients that are compared, each against the floor's SMTP server: the load generator as the bare
// C client, and two node processes that stay up. `deliver` answers with CPU microseconds.
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runLoad } from './load.mjs';
import { cpuMicroseconds, LineChild } from './process.mjs';
import { packageVersion } from './servers.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
/** The last connections still close when the last message is acknowledged. */
const SETTLE_MS = 100;

/**
 * @typedef {object} Client
 * @property {string} name               floor, mxtls, nodemailer
 * @property {string} version
 * @property {string | null} missing     why it cannot be measured
 * @property {readonly string[]} lacks   groups its OpenSSL does not know
 * @property {(target: { port: number, group: string }) => Promise<Running>} start
 *
 * @typedef {object} Running
 * @property {(count: number, concurrency: number) => Promise<number>} deliver
 * @property {() => Promise<void>} stop
 */

/** @returns {Client} */
function floorClient(kit) {
  return {
    name: 'floor',
    version: `OpenSSL ${kit.openssl}`,
    missing: null,
    lacks: [],
    start: async (target) => ({
      deliver: async (count, concurrency) =>
        (await runLoad(kit, { ...target, mode: 'smtp', count, concurrency })).cpu,
      stop: async () => {},
    }),
  };
}

/** @returns {Promise<Running>} */
export async function startNode(script, { port, group }, more = []) {
  const args = [join(HERE, script), '--port', String(port), '--groups', group, ...more];
  const child = new LineChild(process.execPath, args);
  await child.next();
  return {
    deliver: async (count, concurrency) => {
      const before = cpuMicroseconds(child.pid);
      const result = await child.ask(`${count} ${concurrency}`);
      if (result.delivered !== count) {
        throw new Error(`not every message was delivered: ${JSON.stringify(result)}`);
      }
      await sleep(SETTLE_MS);
      return cpuMicroseconds(child.pid) - before;
    },
    stop: () => child.stop(),
  };
}

/** @param {import('./servers.mjs').Server} mxtls the server of the same package @returns {Client[]} */
export function findClients(kit, mxtls) {
  const nodemailer = packageVersion('nodemailer');
  return [
    floorClient(kit),
    {
      ...{ name: 'mxtls', version: mxtls.version, missing: mxtls.missing, lacks: [] },
      start: (target) => startNode('mxtls-smtp-client.mjs', target),
    },
    {
      name: 'nodemailer',
      version: `${nodemailer ?? 'unknown'}, node ${process.versions.node}`,
      missing: nodemailer === null ? 'it is not installed; run `npm ci`' : null,
      lacks: [],
      start: (target) => startNode('nodemailer-client.mjs', target),
    },
  ];
}
