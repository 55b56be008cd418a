// What the figures share: rounds that take turns, servers that stay up for them, and rows.
import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad } from './load.mjs';
import { cpuMicroseconds } from './process.mjs';
import { withServer } from './servers.mjs';

export const CLASSIC = 'X25519';
/** A server still closes the last connections when the generator is done. */
export const SETTLE_MS = 100;

/**
 * @typedef {object} Plan
 * @property {number} rounds            of the CPU figures
 * @property {number} warmUp            handshakes before anything is counted
 * @property {number} handshakes        counted per round
 * @property {number} idle              connections held open
 * @property {number} busy              handshakes that come before them in the "after load" rows
 * @property {number} memoryRounds
 * @property {readonly [number, number]} flat  handshakes at the first and at the last look
 * @property {number} flood             RSA-4096 handshakes per round
 * @property {number} floodRounds
 * @property {number} foreign           hellos per round with tickets that nobody has given
 * @property {number} foreignRounds
 * @property {number} bulk              messages of 64 MiB per round
 * @property {number} bulkRounds
 * @property {number} destinations      next hops that one client has mail for
 * @property {number} waiting           messages for each of them at once
 * @property {number} destinationRounds
 *
 * @typedef {object} Row
 * @property {string} figure
 * @property {string} condition
 * @property {string} subject           "mxtls", "mxtls / floor"
 * @property {number | null} value      null: not measured
 * @property {string} unit
 * @property {number | null} bar        at most
 * @property {boolean | null} met       null: no bar, or not measured
 * @property {string} note
 *
 * @typedef {object} Bench
 * @property {import('./build.mjs').Kit} kit
 * @property {import('./servers.mjs').Server[]} servers
 * @property {import('./servers.mjs').Server[]} smtpServers
 * @property {import('./clients.mjs').Client[]} clients
 * @property {Plan} plan
 * @property {(text: string) => void} progress
 */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Why a server has no value for a group, or null. */
export function reasonWithout(server, group) {
  if (server.missing !== null) {
    return server.missing;
  }
  return server.lacks.includes(group) ? `its OpenSSL has no ${group}` : null;
}

/**
 * Interleaves: calls `measure` for each server that can do it, `rounds` times.
 * @returns {Promise<Record<string, unknown[]>>} values by server name
 */
export async function interleave({ servers, progress }, { rounds, group, label }, measure) {
  const able = servers.filter((server) => reasonWithout(server, group) === null);
  const values = Object.fromEntries(able.map((server) => [server.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < able.length; i++) {
      const server = able[(i + round) % able.length];
      progress(`${label}: round ${round + 1} of ${rounds}, ${server.name}`);
      values[server.name].push(await measure(server));
    }
  }
  return values;
}

/** A row of one server's own value. @returns {Row} */
export function ownRow({ figure, condition, unit, bar = null }, server, group, value) {
  const note = reasonWithout(server, group) ?? '';
  const measured = note === '' ? value : null;
  const met = bar === null || measured === null ? null : measured <= bar;
  return { figure, condition, subject: server.name, value: measured, unit, bar, met, note };
}

/** Rows of mxtls against others; `bars` maps a server's name to the bar. @returns {Row[]} */
export function ratioRows({ servers }, { figure, condition, bars }, group, values) {
  const ours = servers.find((server) => server.name === 'mxtls');
  return Object.entries(bars).map(([name, bar]) => {
    const other = servers.find((server) => server.name === name);
    const note = reasonWithout(ours, group) ?? reasonWithout(other, group) ?? '';
    const value = note === '' ? median(values.mxtls.map((v, i) => v / values[name][i])) : null;
    const met = value === null ? null : value <= bar;
    const subject = `mxtls / ${name}`;
    return { figure, condition, subject, value, unit: 'x', bar, met, note };
  });
}

export function mediansOf(values) {
  return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, median(list)]));
}

/** Starts all servers that can do the group, warms them up, and stops them after `use`. */
export async function withWarmServers({ kit, servers }, group, warmUp, use) {
  const settings = { chain: kit.chains.ecdsa, groups: group, delay: false };
  const running = {};
  const start = async ([server, ...rest]) => {
    if (server === undefined) {
      return use(running);
    }
    if (reasonWithout(server, group) !== null) {
      return start(rest);
    }
    return withServer(server, settings, async (child, port) => {
      running[server.name] = { pid: child.pid, port };
      await runLoad(kit, { ...warmUp, port });
      return start(rest);
    });
  };
  return start(servers);
}

/**
 * Server CPU microseconds per unit, in short batches: an idle server costs nothing, so all are up at
 * once and only one of them works. `warmUp` and `load` lack the port only.
 */
export function cpuOfServers(bench, { group, label, rounds, warmUp, load, units }) {
  return withWarmServers(bench, group, warmUp, (running) =>
    interleave(bench, { rounds, group, label }, async ({ name }) => {
      return (await cpuOfLoad(bench.kit, running[name], load)) / units;
    }),
  );
}

/** CPU microseconds of a server that is up, for one load. */
export async function cpuOfLoad(kit, { pid, port }, load) {
  const before = cpuMicroseconds(pid);
  await runLoad(kit, { ...load, port });
  await sleep(SETTLE_MS);
  return cpuMicroseconds(pid) - before;
}
