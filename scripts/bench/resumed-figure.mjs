// The figure of resumed handshakes. Against the floor: whose OpenSSL makes the tickets, too, and
// renews none. Against our own build with a fixed key: in TLS 1.2, where both renew none; in TLS 1.3
// OpenSSL renews each ticket of its own key, which would be another handshake. Against full
// handshakes, for each kind of certificate: what a ticket is worth.
import { runLoad } from './load.mjs';
import { CLASSIC, cpuOfLoad, median, reasonWithout } from './rounds.mjs';
import { withServer } from './servers.mjs';

const FIGURE = 'resumed';
const FLOOR_BAR = 1.25;
const FIXED_BAR = 1.02;
const KINDS = ['ecdsa', 'rsa2048', 'mldsa65'];
const LOAD = { group: CLASSIC, concurrency: 60 };

/** Server CPU microseconds of each, in rounds that take turns; all are up at once. */
async function measureRounds({ kit, plan, progress }, label, contestants, running) {
  const values = Object.fromEntries(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < plan.rounds; round++) {
    for (let i = 0; i < contestants.length; i++) {
      const { name, server, load } = contestants[(i + round) % contestants.length];
      progress(`${label}: round ${round + 1} of ${plan.rounds}, ${name}`);
      const cpu = await cpuOfLoad(kit, running[server.name], { ...load, count: plan.handshakes });
      values[name].push(cpu / plan.handshakes);
    }
  }
  return values;
}

/** @param contestants a name, a server and a load each */
async function contest(bench, label, chain, contestants) {
  const { kit, plan } = bench;
  const servers = [...new Map(contestants.map(({ server }) => [server.name, server])).values()];
  const running = {};
  const start = async ([server, ...rest]) => {
    if (server === undefined) {
      return measureRounds(bench, label, contestants, running);
    }
    const settings = { chain, groups: CLASSIC, delay: false };
    return withServer(server, settings, async (child, port) => {
      running[server.name] = { pid: child.pid, port };
      for (const { load } of contestants.filter((one) => one.server === server)) {
        await runLoad(kit, { ...load, port, count: plan.warmUp });
      }
      return start(rest);
    });
  };
  return start(servers);
}

function ratioRow(condition, values, of, to, bar = null) {
  const value = median(values[of].map((v, i) => v / values[to][i]));
  const met = bar === null ? null : value <= bar;
  return {
    figure: FIGURE,
    condition,
    subject: `${of} / ${to}`,
    value,
    unit: 'x',
    bar,
    met,
    note: '',
  };
}

function ownRows(condition, values) {
  return Object.entries(values).map(([subject, list]) => ({
    ...{ figure: FIGURE, condition, subject, value: median(list), unit: 'us CPU' },
    ...{ bar: null, met: null, note: '' },
  }));
}

function missingRow(note) {
  const nothing = { value: null, unit: 'x', bar: null, met: null };
  return { figure: FIGURE, condition: 'all', subject: 'mxtls', ...nothing, note };
}

/** @param {import('./rounds.mjs').Bench} bench */
export async function measureResumed(bench) {
  const floor = bench.servers.find(({ name }) => name === 'floor');
  const mxtls = bench.servers.find(({ name }) => name === 'mxtls');
  const note = reasonWithout(floor, CLASSIC) ?? reasonWithout(mxtls, CLASSIC);
  if (note !== null) {
    return { raw: {}, rows: [missingRow(note)] };
  }
  const fixed = mxtls.withFixedKey();
  const { chains } = bench.kit;
  const raw = {};
  const rows = [];
  const resumed = { ...LOAD, mode: 'resumed' };
  const by = (tls12) => (server) => ({
    name: server.name,
    server,
    load: { ...resumed, tls12 },
  });
  raw['TLS 1.3'] = await contest(
    bench,
    'resumed, TLS 1.3',
    chains.ecdsa,
    [floor, mxtls].map(by(false)),
  );
  rows.push(...ownRows('TLS 1.3', raw['TLS 1.3']));
  rows.push(ratioRow('TLS 1.3', raw['TLS 1.3'], 'mxtls', 'floor', FLOOR_BAR));
  // An ECDSA certificate would need its curve among the groups, in TLS 1.2.
  raw['TLS 1.2'] = await contest(
    bench,
    'resumed, TLS 1.2',
    chains.rsa2048,
    [floor, mxtls, fixed].map(by(true)),
  );
  rows.push(...ownRows('TLS 1.2', raw['TLS 1.2']));
  rows.push(ratioRow('TLS 1.2', raw['TLS 1.2'], 'mxtls', 'floor', FLOOR_BAR));
  rows.push(ratioRow('TLS 1.2', raw['TLS 1.2'], 'mxtls', 'mxtls, fixed key', FIXED_BAR));
  for (const kind of KINDS) {
    const condition = `${kind}, TLS 1.3`;
    raw[condition] = await contest(bench, `resumed, ${condition}`, chains[kind], [
      { name: 'resumed', server: mxtls, load: resumed },
      { name: 'full', server: mxtls, load: LOAD },
    ]);
    rows.push(ratioRow(condition, raw[condition], 'resumed', 'full'));
  }
  return { raw, rows };
}
