// The figures and their bars. Every figure measures one server after the other, several rounds
// with the order turned by one each time, and keeps the raw values; rows are made of medians, those
// of ratios of the ratios of each round, because what else the machine does changes from round to
// round. A server that is missing makes a row that says so.
import { setTimeout as sleep } from 'node:timers/promises';
import { holdConnections, runLoad } from './load.mjs';
import { cpuMicroseconds, residentKb } from './process.mjs';
import { withServer } from './servers.mjs';

const CLASSIC = 'X25519';
const POST_QUANTUM = 'X25519MLKEM768';
const GROUPS = [CLASSIC, POST_QUANTUM];
/** A server still closes the last connections when the generator is done. */
const SETTLE_MS = 100;
/** Enough for a process to have all its pools, little enough to show what load leaves behind. */
const MEMORY_WARM_UP = 2000;

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
 * @property {Plan} plan
 * @property {(text: string) => void} progress
 */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Why a server has no value for a group, or null. */
function reasonWithout(server, group) {
  if (server.missing !== null) {
    return server.missing;
  }
  return server.lacks.includes(group) ? `its OpenSSL has no ${group}` : null;
}

/**
 * Interleaves: calls `measure` for each server that can do it, `rounds` times.
 * @returns {Promise<Record<string, unknown[]>>} values by server name
 */
async function interleave({ servers, progress }, { rounds, group, label }, measure) {
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
function ownRow({ figure, condition, unit, bar = null }, server, group, value) {
  const note = reasonWithout(server, group) ?? '';
  const measured = note === '' ? value : null;
  const met = bar === null || measured === null ? null : measured <= bar;
  return { figure, condition, subject: server.name, value: measured, unit, bar, met, note };
}

/** Rows of mxtls against others; `bars` maps a server's name to the bar. @returns {Row[]} */
function ratioRows({ servers }, { figure, condition, bars }, group, values) {
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

function mediansOf(values) {
  return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, median(list)]));
}

/** Starts all servers that can do the group, warms them up, and stops them after `use`. */
async function withWarmServers({ kit, servers, plan }, group, use) {
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
      await runLoad(kit, { port, group, concurrency: 60, count: plan.warmUp });
      return start(rest);
    });
  };
  return start(servers);
}

/**
 * Server CPU microseconds per handshake with accept and close, in short batches: an idle server
 * costs nothing, so all are up at once and only one of them works.
 */
function cpuPerHandshake(bench, group, concurrency, label) {
  const { kit, plan } = bench;
  return withWarmServers(bench, group, (running) =>
    interleave(bench, { rounds: plan.rounds, group, label }, async (server) => {
      const { pid, port } = running[server.name];
      const before = cpuMicroseconds(pid);
      await runLoad(kit, { port, group, concurrency, count: plan.handshakes });
      await sleep(SETTLE_MS);
      return (cpuMicroseconds(pid) - before) / plan.handshakes;
    }),
  );
}

async function measureHandshakes(bench, figure, concurrency, bars) {
  const raw = {};
  const rows = [];
  for (const group of GROUPS) {
    const values = await cpuPerHandshake(bench, group, concurrency, `${figure}, ${group}`);
    const medians = mediansOf(values);
    const row = { figure, condition: group, unit: 'us CPU' };
    rows.push(...bench.servers.map((s) => ownRow(row, s, group, medians[s.name])));
    rows.push(...ratioRows(bench, { figure, condition: group, bars }, group, values));
    raw[group] = values;
  }
  return { raw, rows };
}

/**
 * Kilobytes per idle connection. The base is the same with and without load before: the process
 * after its warm-up, so that what the load leaves behind counts.
 */
function memoryPerConnection({ kit, plan }, group, busy) {
  const settings = { chain: kit.chains.ecdsa, groups: group, delay: false };
  return (server) =>
    withServer(server, settings, async (child, port) => {
      const load = { port, group, concurrency: 60 };
      await runLoad(kit, { ...load, count: Math.min(plan.warmUp, MEMORY_WARM_UP) });
      await sleep(SETTLE_MS);
      const before = residentKb(child.pid);
      if (busy > 0) {
        await runLoad(kit, { ...load, count: busy });
      }
      return holdConnections(kit, { ...load, count: plan.idle }, async () => {
        await sleep(2000);
        return (residentKb(child.pid) - before) / plan.idle;
      });
    });
}

async function measureIdleMemory(bench) {
  const figure = 'memory';
  const raw = {};
  const rows = [];
  for (const group of GROUPS) {
    for (const busy of [0, bench.plan.busy]) {
      const condition = `${group}, ${busy === 0 ? 'fresh' : 'after load'}`;
      const run = { rounds: bench.plan.memoryRounds, group, label: `${figure}, ${condition}` };
      raw[condition] = await interleave(bench, run, memoryPerConnection(bench, group, busy));
      const medians = mediansOf(raw[condition]);
      const own = (server) => {
        const bar = server.name === 'mxtls' ? 24 : null;
        const row = { figure, condition, unit: 'KB/conn', bar };
        return ownRow(row, server, group, medians[server.name]);
      };
      rows.push(...bench.servers.map(own));
    }
  }
  return { raw, rows };
}

/** Resident megabytes after the first and after all handshakes of the plan. */
function memoryAfter({ kit, plan }) {
  const settings = { chain: kit.chains.ecdsa, groups: CLASSIC, delay: false };
  const [first, last] = plan.flat;
  return (server) =>
    withServer(server, settings, async (child, port) => {
      const load = { port, group: CLASSIC, concurrency: 60 };
      const look = async (count) => {
        await runLoad(kit, { ...load, count });
        await sleep(SETTLE_MS);
        return residentKb(child.pid) / 1024;
      };
      return { first: await look(first), last: await look(last - first) };
    });
}

async function measureFlatMemory(bench) {
  const figure = 'flat';
  const servers = bench.servers.filter(({ name }) => name === 'floor' || name === 'mxtls');
  const [first, last] = bench.plan.flat;
  const condition = `${last} handshakes against ${first}`;
  const run = { rounds: 1, group: CLASSIC, label: figure };
  const raw = await interleave({ ...bench, servers }, run, memoryAfter(bench));
  const rows = servers.map((server) => {
    const growth = median((raw[server.name] ?? []).map((look) => look.last - look.first));
    const row = { figure, condition, unit: 'MB', bar: server.name === 'mxtls' ? 5 : null };
    return ownRow(row, server, CLASSIC, growth);
  });
  return { raw, rows };
}

/** p50, p99 and max of the event loop's delay in milliseconds. */
function loopDelay({ kit, plan }) {
  const settings = { chain: kit.chains.rsa4096, groups: CLASSIC, delay: true };
  return (server) =>
    withServer(server, settings, async (child, port) => {
      const load = { port, group: CLASSIC, concurrency: 60 };
      await runLoad(kit, { ...load, count: Math.ceil(plan.flood / 5) });
      await child.ask('reset');
      await runLoad(kit, { ...load, count: plan.flood });
      return child.ask('delay');
    });
}

async function measureLoopDelay(bench) {
  const figure = 'delay';
  const servers = bench.servers.filter(({ name }) => name !== 'floor');
  const run = { rounds: bench.plan.floodRounds, group: CLASSIC, label: figure };
  const raw = await interleave({ ...bench, servers }, run, loopDelay(bench));
  const rows = servers.map((server) => {
    const p99 = median((raw[server.name] ?? []).map((delay) => delay.p99));
    const row = { figure, condition: 'RSA-4096 flood, p99', unit: 'ms' };
    const bar = server.name === 'mxtls' ? 2 : null;
    return ownRow({ ...row, bar }, server, CLASSIC, p99);
  });
  return { raw, rows };
}

const BARS_60 = { floor: 1.2, node20: 0.65, node24: 0.72 };

/** @type {Record<string, { about: string, measure: (bench: Bench) => Promise<{ raw: object, rows: Row[] }> }>} */
export const FIGURES = {
  handshake: {
    about: 'server CPU per full handshake with accept and close, 60 connections at a time',
    measure: (bench) => measureHandshakes(bench, 'handshake', 60, BARS_60),
  },
  handshake8: {
    about: 'the same with 8 connections at a time',
    measure: (bench) => measureHandshakes(bench, 'handshake8', 8, { floor: 1.3 }),
  },
  memory: {
    about: 'resident memory per idle connection, fresh and after load',
    measure: measureIdleMemory,
  },
  flat: {
    about: 'growth of resident memory over many handshakes',
    measure: measureFlatMemory,
  },
  delay: {
    about: 'event-loop delay under a flood of RSA-4096 handshakes',
    measure: measureLoopDelay,
  },
};
