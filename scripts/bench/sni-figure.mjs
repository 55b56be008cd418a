// The figure of server names: one server with a table of 100,000 names, and handshakes that ask for
// 1,000 of them in turn against handshakes that ask for none. Each of the 1,000 has a key and a
// certificate of its own. Everything stays in build/bench for the next run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sentence } from '../say.mjs';
import { runLoad } from './load.mjs';
import { CLASSIC, cpuOfLoad, median, reasonWithout } from './rounds.mjs';
import { withServer } from './servers.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const HOT = 1000;
const NAMES = 100_000;
const BAR = 1.05;
const FOLDER = join(ROOT, 'build', 'bench', 'sni');

function must(what, command, args) {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}\n`);
    throw new Sentence(`bench: ${what} failed; see above.`);
  }
}

function chainFile(i) {
  return join(FOLDER, `${i}.pem`);
}

/** A key and a certificate for one of the names that are asked for. */
function makeChain(openssl, i) {
  const [key, cert] = ['key', 'cert'].map((end) => join(FOLDER, `draft-${end}.pem`));
  must('making a certificate', openssl, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', `/CN=n${i}.bench.test`, '-days', '3650', '-keyout', key, '-out', cert],
  ]);
  writeFileSync(`${key}.new`, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'), {
    mode: 0o600,
  });
  renameSync(`${key}.new`, chainFile(i));
}

/** `lmdb:FILE` with all names; those that nobody asks for share the chains of the others. */
function prepareTable({ opensslProgram }, progress) {
  const source = join(FOLDER, 'names');
  if (existsSync(`${source}.mxlmdb`)) {
    return `lmdb:${source}`;
  }
  mkdirSync(FOLDER, { recursive: true });
  progress(`making ${HOT} certificates, once`);
  for (let i = 0; i < HOT; i++) {
    if (!existsSync(chainFile(i))) {
      makeChain(opensslProgram, i);
    }
  }
  const lines = Array.from({ length: NAMES }, (_, i) => `n${i}.bench.test ${chainFile(i % HOT)}\n`);
  writeFileSync(source, lines.join(''));
  must('mxtls sni build', process.execPath, ['dist/cli/main.js', 'sni', 'build', source]);
  return `lmdb:${source}`;
}

/** Rounds of both kinds on one server; which comes first changes. */
async function measureRounds({ kit, plan, progress }, child, port) {
  const load = { group: CLASSIC, concurrency: 60 };
  const kinds = { without: load, with: { ...load, names: HOT } };
  const values = { without: [], with: [] };
  const running = { pid: child.pid, port };
  await runLoad(kit, { ...load, port, count: plan.warmUp });
  await runLoad(kit, { ...load, port, count: Math.max(plan.warmUp, 2 * HOT), names: HOT });
  for (let round = 0; round < plan.rounds; round++) {
    progress(`sni: round ${round + 1} of ${plan.rounds}`);
    const order = Object.keys(kinds);
    for (const kind of round % 2 === 0 ? order : order.reverse()) {
      const one = { ...kinds[kind], count: plan.handshakes };
      values[kind].push((await cpuOfLoad(kit, running, one)) / plan.handshakes);
    }
  }
  return values;
}

/** @param {import('./rounds.mjs').Bench} bench */
export async function measureSni(bench) {
  const mxtls = bench.servers.find(({ name }) => name === 'mxtls');
  const note = reasonWithout(mxtls, CLASSIC) ?? '';
  const row = { figure: 'sni', note };
  const raw =
    note === ''
      ? await withServer(
          mxtls.withNames(prepareTable(bench.kit, bench.progress)),
          { chain: bench.kit.chains.ecdsa, groups: CLASSIC, delay: false },
          (child, port) => measureRounds(bench, child, port),
        )
      : { without: [], with: [] };
  const own = (kind) => ({
    ...row,
    condition: kind === 'with' ? `${HOT} of ${NAMES} names` : 'no name',
    ...{ subject: 'mxtls', value: note === '' ? median(raw[kind]) : null },
    ...{ unit: 'us CPU', bar: null, met: null },
  });
  const ratio = note === '' ? median(raw.with.map((v, i) => v / raw.without[i])) : null;
  const rows = [
    ...['without', 'with'].map(own),
    {
      ...row,
      condition: 'with / without name',
      ...{ subject: 'mxtls', value: ratio, unit: 'x', bar: BAR },
      met: ratio === null ? null : ratio <= BAR,
    },
  ];
  return { raw, rows };
}
