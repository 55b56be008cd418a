// The figures and their bars; those of the SMTP dialogue are in smtp-figures.mjs. Every figure
// measures one server after the other, several rounds with the order turned by one each time, and
// keeps the raw values; rows are made of medians, those of ratios of the ratios of each round,
// because what else the machine does changes from round to round. A server that is missing makes a
// row that says so.
import { setTimeout as sleep } from 'node:timers/promises';
import { measureDane } from './dane-figure.mjs';
import { holdConnections, runFlood, runLoad } from './load.mjs';
import { residentKb } from './process.mjs';
import {
  CLASSIC,
  cpuOfServers,
  interleave,
  median,
  mediansOf,
  ownRow,
  ratioRows,
  SETTLE_MS,
} from './rounds.mjs';
import { withServer } from './servers.mjs';
import { measureDestinations } from './destinations-figure.mjs';
import { measureForeign } from './foreign-figure.mjs';
import { measureResumed } from './resumed-figure.mjs';
import { measureSni } from './sni-figure.mjs';
import { measureStores } from './stores-figure.mjs';
import { measureBulk, measureDeliveries, measureSessions } from './smtp-figures.mjs';

const POST_QUANTUM = 'X25519MLKEM768';
const GROUPS = [CLASSIC, POST_QUANTUM];
/** Enough for a process to have all its pools, little enough to show what load leaves behind. */
const MEMORY_WARM_UP = 2000;

async function measureHandshakes(bench, figure, concurrency, bars) {
  const raw = {};
  const rows = [];
  for (const group of GROUPS) {
    const values = await cpuOfServers(bench, {
      group,
      label: `${figure}, ${group}`,
      rounds: bench.plan.rounds,
      warmUp: { group, concurrency: 60, count: bench.plan.warmUp },
      load: { group, concurrency, count: bench.plan.handshakes },
      units: bench.plan.handshakes,
    });
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

/** Event-loop delay, and how many come in, while ten times as many knock as there is room for. */
function delayInFlood({ kit, plan }) {
  const settings = { chain: kit.chains.rsa4096, groups: CLASSIC, delay: true, limit: 60 };
  return (server) =>
    withServer(server, settings, async (child, port) => {
      const load = { port, group: CLASSIC, concurrency: 30 };
      await runLoad(kit, { ...load, count: Math.ceil(plan.flood / 5) });
      await child.ask('reset');
      const result = await runFlood(kit, { ...load, concurrency: 600, count: plan.flood * 20 });
      const { p99 } = await child.ask('delay');
      return { p99, ...result };
    });
}

async function measureFlood(bench) {
  const figure = 'flood';
  const servers = bench.servers.filter(({ name }) => name === 'mxtls');
  const run = { rounds: bench.plan.floodRounds, group: CLASSIC, label: figure };
  const raw = await interleave({ ...bench, servers }, run, delayInFlood(bench));
  const rows = servers.flatMap((server) => {
    const values = raw[server.name] ?? [];
    const condition = 'RSA-4096, 600 for 60 places';
    const share = median(
      values.map(({ failed, handshakes }) => (100 * failed) / (failed + handshakes)),
    );
    return [
      ownRow(
        { figure, condition: `${condition}, p99`, unit: 'ms', bar: null },
        server,
        CLASSIC,
        median(values.map(({ p99 }) => p99)),
      ),
      ownRow(
        { figure, condition: `${condition}, turned away`, unit: '%', bar: null },
        server,
        CLASSIC,
        share,
      ),
    ];
  });
  return { raw, rows };
}

/** @typedef {import('./rounds.mjs').Bench} Bench */
/** @typedef {import('./rounds.mjs').Row} Row */

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
  resumed: {
    about: 'server CPU per resumed handshake: the ring of ticket keys, against full handshakes too',
    measure: measureResumed,
  },
  foreign: {
    about:
      'server CPU per hello with a ticket that nobody has given, against a full handshake, and questions asked',
    measure: measureForeign,
  },
  sni: {
    about:
      'server CPU per handshake that asks for one of many server names, against one that asks for none',
    measure: measureSni,
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
  flood: {
    about: 'event-loop delay while most connections are turned away',
    measure: measureFlood,
  },
  smtp: {
    about: 'server CPU per STARTTLS session with one small message',
    measure: measureSessions,
  },
  bulk: {
    about: 'server CPU per MiB of one 64 MiB message over TLS 1.3, DATA and BDAT',
    measure: measureBulk,
  },
  delivery: {
    about: 'client CPU per delivery of one small message over a new STARTTLS connection',
    measure: measureDeliveries,
  },
  dane: {
    about: 'client CPU per delivery at level dane against one at level encrypt, DNS at hand',
    measure: measureDane,
  },
  destinations: {
    about: 'peak memory of a client with messages for thousands of destinations at once',
    measure: measureDestinations,
  },
  stores: {
    about: 'sessions a second that each store keeps and finds',
    measure: measureStores,
  },
};
