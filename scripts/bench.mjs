// `npm run bench`: compares mxtls with the C floor, node:tls, smtp-server and nodemailer on this
// machine, in one run. What counts are ratios and the bars beside them; the numbers themselves
// belong to the machine. Progress goes to stderr, the table or the JSON to stdout.
import { parseArgs } from 'node:util';
import { prepareKit } from './bench/build.mjs';
import { findClients } from './bench/clients.mjs';
import { FIGURES } from './bench/figures.mjs';
import { watchOtherWork } from './bench/process.mjs';
import { findServers, findSmtpServers } from './bench/servers.mjs';
import { run, Sentence, say } from './say.mjs';

const FULL = {
  rounds: 21,
  warmUp: 10_000,
  handshakes: 1500,
  idle: 10_000,
  busy: 20_000,
  memoryRounds: 1,
  flat: [10_000, 100_000],
  flood: 2000,
  floodRounds: 5,
  foreign: 100_000,
  foreignRounds: 1,
  bulk: 2,
  bulkRounds: 11,
  destinations: 2000,
  waiting: 10,
  destinationRounds: 5,
};
/** Above this share of other work on the machine a run says so. */
const QUIET = 0.05;

/** Shows that everything runs; too short to judge by. */
const QUICK = {
  rounds: 3,
  warmUp: 500,
  handshakes: 500,
  idle: 1000,
  busy: 2000,
  memoryRounds: 1,
  flat: [1000, 5000],
  flood: 300,
  floodRounds: 1,
  foreign: 2000,
  foreignRounds: 1,
  bulk: 1,
  bulkRounds: 3,
  destinations: 200,
  waiting: 5,
  destinationRounds: 2,
};

const HELP = `usage: npm run bench -- [--figure NAME]... [--server NAME]... [--rounds N]
                            [--warm-up N] [--quick] [--json]

  --figure NAME   only this figure:
${Object.entries(FIGURES)
  .map(([name, { about }]) => `                    ${name.padEnd(12)} ${about}`)
  .join('\n')}
  --server NAME   only this server or client: floor, mxtls, node20, node24, smtp-server, nodemailer
  --rounds N      interleaved rounds of the CPU figures, of which the median counts (default ${FULL.rounds})
  --warm-up N     handshakes before the first round (default ${FULL.warmUp})
  --quick         a short run that proves the harness, not the figures
  --json          medians, bars and raw values as JSON on stdout

CPU is that of the whole process with all its threads: the server's, or the client's where deliveries
are measured. Ratios are medians of the ratios of each round. All servers send the same number of
session tickets. Node gets faster for tens of thousands of handshakes, and what counts is a process
that has been running, hence the long warm-up. node:tls of another release than this node's is fetched
from npm into the user's cache. A full run takes about forty minutes.
`;

function parse(argv) {
  const options = {
    figure: { type: 'string', multiple: true, default: Object.keys(FIGURES) },
    server: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    'warm-up': { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  };
  try {
    return parseArgs({ args: argv, options }).values;
  } catch (error) {
    throw new Sentence(`${error.message}; see npm run bench -- --help.`);
  }
}

function numberOption(name, text, otherwise) {
  if (text === undefined) {
    return otherwise;
  }
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw new Sentence(`--${name} is "${text}"; it must be a number from 1 to 999999.`);
  }
  return Number(text);
}

function planOf(options) {
  const plan = options.quick ? QUICK : FULL;
  return {
    ...plan,
    rounds: numberOption('rounds', options.rounds, plan.rounds),
    warmUp: numberOption('warm-up', options['warm-up'], plan.warmUp),
  };
}

function insistOnNames(all, names = []) {
  const unknown = names.find((name) => !all.some((server) => server.name === name));
  if (unknown !== undefined) {
    throw new Sentence(`there is no server "${unknown}"; see npm run bench -- --help.`);
  }
}

/** A server that was not asked for makes "not measured" rows like one that is missing. */
function chooseServers(all, names) {
  if (names === undefined) {
    return all;
  }
  return all.map((s) => (names.includes(s.name) ? s : { ...s, missing: 'not asked for' }));
}

/** What is compared, each once: the floor and mxtls have a server for TLS and one for SMTP. */
function aboutServers(servers) {
  const byName = new Map(servers.map(({ name, version, missing }) => [name, { version, missing }]));
  return [...byName].map(([name, rest]) => ({ name, ...rest }));
}

function formatRow({ figure, condition, subject, value, unit, bar, met, note }) {
  const shown = value === null ? 'not measured' : `${value.toFixed(unit === 'x' ? 3 : 2)} ${unit}`;
  const verdict = met === null ? '' : met ? 'met' : 'MISSED';
  const limit = bar === null ? '' : `<= ${bar}`;
  return [figure, condition, subject, shown, limit, verdict || note];
}

function printTable(rows) {
  const head = ['figure', 'condition', 'server', 'median', 'bar', ''];
  const cells = [head, ...rows.map(formatRow)];
  const widths = head.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  for (const line of cells) {
    const text = line.map((cell, i) => cell.padEnd(widths[i])).join('  ');
    process.stdout.write(`${text.trimEnd()}\n`);
  }
}

await run(async () => {
  const options = parse(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const unknown = options.figure.find((name) => FIGURES[name] === undefined);
  if (unknown !== undefined) {
    throw new Sentence(`there is no figure "${unknown}"; see npm run bench -- --help.`);
  }
  const plan = planOf(options);
  const kit = prepareKit();
  const smtp = findSmtpServers(kit);
  const mxtls = smtp.find((server) => server.name === 'mxtls');
  const found = [findServers(kit), smtp, findClients(kit, mxtls)];
  insistOnNames(found.flat(), options.server);
  const chosen = found.map((list) => chooseServers(list, options.server));
  const [servers, smtpServers, clients] = chosen;
  const about = aboutServers(chosen.flat());
  for (const server of about) {
    say(`${server.name}: ${server.missing ?? server.version}`);
  }
  const bench = { kit, servers, smtpServers, clients, plan, progress: say };
  const otherWork = watchOtherWork();
  const figures = {};
  for (const name of options.figure) {
    figures[name] = await FIGURES[name].measure(bench);
  }
  const disturbance = otherWork();
  if (disturbance > QUIET) {
    const share = Math.round(disturbance * 100);
    say(`${share} % of the machine's work was not this run's: the figures are noisy`);
  }
  const rows = Object.values(figures).flatMap((figure) => figure.rows);
  if (options.json) {
    const raw = Object.fromEntries(Object.entries(figures).map(([name, f]) => [name, f.raw]));
    process.stdout.write(
      `${JSON.stringify({ servers: about, plan, disturbance, rows, raw }, null, 2)}\n`,
    );
    return;
  }
  printTable(rows);
});
