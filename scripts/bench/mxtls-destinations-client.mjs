// The smtp engine with many destinations at once: each line "DESTINATIONS MESSAGES" on stdin hands it that
// many messages for each of so many next hops, all in one turn, and one JSON line tells what became of
// them and how large the process got. All names are one server's.
import { createInterface } from 'node:readline';
import { Smtp } from '../../dist/index.js';
import { clientOptions, ENVELOPE, makeMessage } from './client-control.mjs';

const { port, groups } = clientOptions();
const silent = () => {};
const message = makeMessage();
const MIB = 1024 * 1024;

const smtp = new Smtp({
  myhostname: 'client.test',
  tls: {
    securityLevel: 'encrypt',
    mandatoryProtocols: '>=TLSv1.3',
    eecdhAutoCurves: groups.split(':'),
    connectionReuse: true,
  },
  lookup: async () => ['127.0.0.1'],
  logger: { info: silent, warn: silent },
});

const deliver = async (destination) => {
  const { recipients } = await smtp.deliver({
    sender: ENVELOPE.from,
    recipients: [ENVELOPE.to],
    message,
    nexthop: `[mx${destination}.bench.test]:${port}`,
  });
  return recipients[0].status === 'sent' ? null : recipients[0].reply;
};

const run = async (destinations, messages) => {
  let peak = process.memoryUsage.rss();
  const look = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 5);
  const all = Array.from({ length: destinations * messages }, (_, i) =>
    deliver(i % destinations).catch((error) => error.message),
  );
  const refusals = (await Promise.all(all)).filter((refusal) => refusal !== null);
  clearInterval(look);
  return {
    delivered: all.length - refusals.length,
    failed: refusals.length,
    reason: refusals[0] ?? null,
    peak: peak / MIB,
  };
};

const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const [destinations, messages] = line.split(' ').map(Number);
  process.stdout.write(`${JSON.stringify(await run(destinations, messages))}\n`);
});
lines.on('close', () => process.exit(0));
process.stdout.write('ready\n');
