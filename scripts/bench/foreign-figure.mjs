// The figure of tickets that nobody has given: hellos with key names of other clusters, and with names
// of the own one that no key has, against full handshakes without a ticket, on one server that asks a
// tlsmgr service. What it asks is bounded, whoever comes.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runLoad } from './load.mjs';
import { LineChild } from './process.mjs';
import { CLASSIC, cpuOfLoad, median, reasonWithout } from './rounds.mjs';
import { withServer } from './servers.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FIGURE = 'foreign';
const BAR = 1.1;
/** Questions a second; native/glue_ticket_ring.h has it. */
const RATE = 10;
const LOAD = { group: CLASSIC, concurrency: 60 };
const KINDS = {
  full: LOAD,
  'foreign names': { ...LOAD, mode: 'foreign-tickets' },
  'unknown names': { ...LOAD, mode: 'unknown-tickets' },
};

async function questionsOf(child) {
  return (await child.ask('questions')).questions;
}

/** One round of one kind: CPU microseconds of each handshake, questions, and seconds. */
async function measureOne({ kit }, child, port, load) {
  const [begin, before] = [performance.now(), await questionsOf(child)];
  const cpu = await cpuOfLoad(kit, { pid: child.pid, port }, load);
  const questions = (await questionsOf(child)) - before;
  return { cpu: cpu / load.count, questions, seconds: (performance.now() - begin) / 1000 };
}

async function measureRounds(bench, child, port) {
  const { kit, plan, progress } = bench;
  const raw = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
  await runLoad(kit, { ...LOAD, port, count: plan.warmUp });
  for (let round = 0; round < plan.foreignRounds; round++) {
    const order = Object.keys(KINDS);
    for (const kind of round % 2 === 0 ? order : order.reverse()) {
      progress(`${FIGURE}: round ${round + 1} of ${plan.foreignRounds}, ${kind}`);
      const load = { ...KINDS[kind], count: plan.foreign };
      raw[kind].push(await measureOne(bench, child, port, load));
    }
  }
  return raw;
}

async function withTlsmgr(use) {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-bench-'));
  writeFileSync(join(folder, 'key'), randomBytes(32), { mode: 0o600 });
  const service = new LineChild(process.execPath, [
    ...[join(ROOT, 'dist/cli/main.js'), 'tlsmgr', '--listen', join(folder, 'socket')],
    ...['--wrapping-key', join(folder, 'key')],
  ]);
  try {
    await service.next();
    return await use(folder);
  } finally {
    await service.stop();
    rmSync(folder, { recursive: true });
  }
}

function rowsOf(plan, raw) {
  const row = { figure: FIGURE, note: '' };
  const bare = { ...row, unit: 'us CPU', bar: null, met: null };
  const rows = Object.keys(KINDS).map((kind) => ({
    ...{ ...bare, condition: `${plan.foreign} hellos`, subject: kind },
    value: median(raw[kind].map(({ cpu }) => cpu)),
  }));
  for (const kind of Object.keys(KINDS).slice(1)) {
    const value = median(raw[kind].map(({ cpu }, i) => cpu / raw.full[i].cpu));
    const subject = `${kind} / full`;
    const condition = `${plan.foreign} hellos`;
    rows.push({ ...row, condition, subject, value, unit: 'x', bar: BAR, met: value <= BAR });
    const questions = Math.max(...raw[kind].map((one) => one.questions));
    const bar =
      kind === 'foreign names'
        ? 0
        : RATE * Math.ceil(1 + Math.min(...raw[kind].map(({ seconds }) => seconds)));
    rows.push({
      ...{ ...row, condition: 'questions', subject: kind, value: questions, unit: '' },
      ...{ bar, met: questions <= bar },
    });
  }
  return rows;
}

/** @param {import('./rounds.mjs').Bench} bench */
export async function measureForeign(bench) {
  const mxtls = bench.servers.find(({ name }) => name === 'mxtls');
  const note = reasonWithout(mxtls, CLASSIC);
  if (note !== null) {
    const nothing = { value: null, unit: 'x', bar: BAR, met: null };
    return {
      raw: {},
      rows: [{ figure: FIGURE, condition: 'all', subject: 'mxtls', ...nothing, note }],
    };
  }
  const settings = { chain: bench.kit.chains.ecdsa, groups: CLASSIC, delay: false };
  const raw = await withTlsmgr((folder) =>
    withServer(mxtls.withTlsmgr(folder), settings, (child, port) =>
      measureRounds(bench, child, port),
    ),
  );
  return { raw, rows: rowsOf(bench.plan, raw) };
}
