// The figure of many destinations: one client that is handed messages for thousands of next hops at
// once. What counts is that its memory depends on its limits and not on how much is waiting, and that
// nothing is left behind.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LineChild, residentKb } from './process.mjs';
import { CLASSIC, median, ownRow } from './rounds.mjs';
import { withServer } from './servers.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const FIGURE = 'destinations';
/** Compilers and pools are there, and memory is what the load makes of it. */
const WARM_UP = 2;

async function ask(child, destinations, messages) {
  const result = await child.ask(`${destinations} ${messages}`);
  if (result.failed > 0) {
    throw new Error(`not every message was delivered: ${JSON.stringify(result)}`);
  }
  return result.peak;
}

/** Megabytes: peaks with few and with many messages waiting, and the peaks of the rounds between. */
async function measureClient({ plan, progress }, port) {
  const args = ['--port', String(port), '--groups', CLASSIC];
  const child = new LineChild(process.execPath, [
    join(HERE, 'mxtls-destinations-client.mjs'),
    ...args,
  ]);
  try {
    await child.next();
    const base = residentKb(child.pid) / 1024;
    const peaks = { few: [], many: [] };
    for (let round = 0; round < WARM_UP + plan.destinationRounds; round++) {
      progress(`${FIGURE}: round ${round + 1} of ${WARM_UP + plan.destinationRounds}`);
      const few = await ask(child, plan.destinations, 1);
      const many = await ask(child, plan.destinations, plan.waiting);
      if (round >= WARM_UP) {
        peaks.few.push(few - base);
        peaks.many.push(many - base);
      }
    }
    return peaks;
  } finally {
    await child.stop();
  }
}

/** @param {import('./rounds.mjs').Bench} bench */
export async function measureDestinations(bench) {
  const { kit, plan, smtpServers, clients } = bench;
  const server = smtpServers.find(({ name }) => name === 'mxtls');
  const client = clients.find(({ name }) => name === 'mxtls');
  const settings = { chain: kit.chains.ecdsa, groups: CLASSIC, delay: false };
  const raw =
    client.missing === null
      ? await withServer(server, settings, (_child, port) => measureClient(bench, port))
      : { few: [], many: [] };
  const row = (condition, bar, value) =>
    ownRow({ figure: FIGURE, condition, unit: 'MB', bar }, client, CLASSIC, value);
  const counts = `${plan.destinations} destinations`;
  const grown = (peaks) => peaks.at(-1) - peaks[0];
  return {
    raw,
    rows: [
      row(`${counts}, one message each`, 150, median(raw.few)),
      row(`${counts}, ${plan.waiting} messages each`, 200, median(raw.many)),
      row(`the last round against the first`, 10, grown(raw.many)),
    ],
  };
}
