// The figures of the SMTP dialogue: the same load for each server, X25519, one session ticket.
import {
  CLASSIC,
  cpuOfLoad,
  cpuOfServers,
  interleave,
  mediansOf,
  ownRow,
  ratioRows,
  withWarmServers,
} from './rounds.mjs';
import { withServer } from './servers.mjs';

const CONCURRENCY = 60;
const SESSION_BARS = { floor: 1.3, 'smtp-server': 0.45 };
const BULK_BARS = { floor: 1.25, 'smtp-server': 0.6 };
const DELIVERY_BARS = { floor: 1.4, nodemailer: 0.4 };
const BULK_MIB = 64;
/** Enough for the compilers of a JavaScript engine. */
const BULK_WARM_UP = 4;
const BULK_MODES = { DATA: 'smtp', BDAT: 'smtp-bdat' };

/** @param {import('./rounds.mjs').Bench} bench */
export async function measureSessions(bench) {
  const { plan, smtpServers } = bench;
  const smtpBench = { ...bench, servers: smtpServers };
  const figure = 'smtp';
  const condition = 'STARTTLS, 1 KiB';
  const load = { mode: 'smtp', group: CLASSIC, concurrency: CONCURRENCY };
  const raw = await cpuOfServers(smtpBench, {
    group: CLASSIC,
    label: figure,
    rounds: plan.rounds,
    warmUp: { ...load, count: plan.warmUp },
    load: { ...load, count: plan.handshakes },
    units: plan.handshakes,
  });
  const medians = mediansOf(raw);
  const row = { figure, condition, unit: 'us CPU' };
  const rows = smtpServers.map((s) => ownRow(row, s, CLASSIC, medians[s.name]));
  rows.push(...ratioRows(smtpBench, { figure, condition, bars: SESSION_BARS }, CLASSIC, raw));
  return { raw, rows };
}

/** Server CPU microseconds per MiB by DATA, and by BDAT where the server has it (else null). */
function bulkRounds(bench) {
  const { kit, plan } = bench;
  const load = { group: CLASSIC, concurrency: 1, size: BULK_MIB << 20, count: plan.bulk };
  const mib = BULK_MIB * plan.bulk;
  const perMib = async (running, mode) =>
    (await cpuOfLoad(kit, running, { ...load, mode: BULK_MODES[mode] })) / mib;
  const warmUp = { ...load, mode: BULK_MODES.DATA, count: BULK_WARM_UP };
  const rounds = { rounds: plan.bulkRounds, group: CLASSIC, label: 'bulk' };
  return withWarmServers(bench, CLASSIC, warmUp, (running) =>
    interleave(bench, rounds, async ({ name, chunking }) => ({
      DATA: await perMib(running[name], 'DATA'),
      BDAT: chunking ? await perMib(running[name], 'BDAT') : null,
    })),
  );
}

/** One message at a time. A server without BDAT is compared by what DATA costs it. */
export async function measureBulk(bench) {
  const smtpBench = { ...bench, servers: bench.smtpServers };
  const figure = 'bulk';
  const raw = await bulkRounds(smtpBench);
  const rows = Object.keys(BULK_MODES).flatMap((mode) => {
    const condition = `${BULK_MIB} MiB by ${mode}`;
    const values = Object.fromEntries(
      Object.entries(raw).map(([name, list]) => [name, list.map((v) => v[mode] ?? v.DATA)]),
    );
    const medians = mediansOf(values);
    const own = smtpBench.servers
      .filter((server) => mode === 'DATA' || server.chunking)
      .map((s) => ownRow({ figure, condition, unit: 'us CPU/MiB' }, s, CLASSIC, medians[s.name]));
    const ratio = { figure, condition, bars: BULK_BARS };
    return [...own, ...ratioRows(smtpBench, ratio, CLASSIC, values)];
  });
  return { raw, rows };
}

/** Client CPU against the floor's server, which offers no PIPELINING: one dialogue for all. */
export async function measureDeliveries(bench) {
  const { kit, plan, clients } = bench;
  const able = clients.filter((client) => client.missing === null);
  const clientBench = { ...bench, servers: clients };
  const floor = bench.smtpServers.find((server) => server.name === 'floor');
  const figure = 'delivery';
  const condition = 'STARTTLS, 1 KiB';
  const settings = { chain: kit.chains.ecdsa, groups: CLASSIC, delay: false };
  const rounds = { rounds: plan.rounds, group: CLASSIC, label: figure };
  const raw = await withServer(floor, settings, async (_child, port) => {
    const running = {};
    try {
      for (const client of able) {
        running[client.name] = await client.start({ port, group: CLASSIC });
        await running[client.name].deliver(plan.warmUp, CONCURRENCY);
      }
      return await interleave(clientBench, rounds, async ({ name }) => {
        const cpu = await running[name].deliver(plan.handshakes, CONCURRENCY);
        return cpu / plan.handshakes;
      });
    } finally {
      await Promise.all(Object.values(running).map((client) => client.stop()));
    }
  });
  const medians = mediansOf(raw);
  const row = { figure, condition, unit: 'us CPU' };
  const rows = clients.map((client) => ownRow(row, client, CLASSIC, medians[client.name]));
  const ratio = { figure, condition, bars: DELIVERY_BARS };
  return { raw, rows: [...rows, ...ratioRows(clientBench, ratio, CLASSIC, raw)] };
}
