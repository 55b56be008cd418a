// The figure of DANE: client CPU of a delivery at level dane against one at level encrypt, same server, same engine.
import { startNode } from './clients.mjs';
import { CLASSIC, interleave, median, reasonWithout } from './rounds.mjs';
import { withServer } from './servers.mjs';

const CONCURRENCY = 60;
const BAR = 1.15;
const LEVELS = ['encrypt', 'dane'];

async function measureRounds({ kit, plan, progress }, port) {
  const running = {};
  const chain = kit.chains.ecdsa;
  try {
    for (const level of LEVELS) {
      const args = ['--level', level, '--chain', chain];
      running[level] = await startNode('mxtls-dane-client.mjs', { port, group: CLASSIC }, args);
      await running[level].deliver(plan.warmUp, CONCURRENCY);
    }
    const servers = LEVELS.map((name) => ({ name, missing: null, lacks: [] }));
    const rounds = { rounds: plan.rounds, group: CLASSIC, label: 'dane' };
    return await interleave({ servers, progress }, rounds, async ({ name }) => {
      const cpu = await running[name].deliver(plan.handshakes, CONCURRENCY);
      return cpu / plan.handshakes;
    });
  } finally {
    await Promise.all(Object.values(running).map((client) => client.stop()));
  }
}

/** @param {import('./rounds.mjs').Bench} bench */
export async function measureDane(bench) {
  const { kit, clients, smtpServers } = bench;
  const floor = smtpServers.find(({ name }) => name === 'floor');
  const mxtls = clients.find(({ name }) => name === 'mxtls');
  const note = reasonWithout(mxtls, CLASSIC) ?? '';
  const settings = { chain: kit.chains.ecdsa, groups: CLASSIC, delay: false };
  const raw =
    note === ''
      ? await withServer(floor, settings, (_child, port) => measureRounds(bench, port))
      : { encrypt: [], dane: [] };
  const row = { figure: 'dane', subject: 'mxtls', note };
  const own = (level) => ({
    ...{ ...row, condition: level === 'dane' ? 'dane, 3 1 1' : level },
    ...{ value: note === '' ? median(raw[level]) : null, unit: 'us CPU', bar: null, met: null },
  });
  const ratio = note === '' ? median(raw.dane.map((cpu, i) => cpu / raw.encrypt[i])) : null;
  const rows = [
    ...LEVELS.map(own),
    {
      ...{ ...row, condition: 'dane / encrypt' },
      ...{ value: ratio, unit: 'x', bar: BAR, met: ratio === null ? null : ratio <= BAR },
    },
  ];
  return { raw, rows };
}
