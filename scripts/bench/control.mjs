// What the measured node servers share: they print "listening PORT", answer one JSON line on stdout
// for each line on stdin, and end when stdin does. It runs on every node release that is compared,
// so it uses nothing newer than node 20.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

/**
 * --chain FILE, --groups LIST, --delay for a server whose event-loop delay is wanted, --limit N for
 * one that turns connections over that number away, --sni TABLE for the one that knows names,
 * --fixed-ticket-key for one whose tickets OpenSSL makes with a key of its own, --tlsmgr FOLDER for
 * one that asks a service for ticket keys: in the folder are its `socket` and its `key`.
 */
export function serverOptions() {
  const { values } = parseArgs({
    options: {
      chain: { type: 'string' },
      groups: { type: 'string' },
      delay: { type: 'boolean', default: false },
      limit: { type: 'string', default: '0' },
      sni: { type: 'string', default: '' },
      'fixed-ticket-key': { type: 'boolean', default: false },
      tlsmgr: { type: 'string', default: '' },
    },
  });
  if (values.chain === undefined || values.groups === undefined) {
    throw new Error('a bench server needs --chain and --groups');
  }
  const { chain, groups, delay, sni, tlsmgr } = values;
  const fixedTicketKey = values['fixed-ticket-key'];
  return { chain, groups, delay, sni, tlsmgr, fixedTicketKey, limit: Number(values.limit) };
}

/**
 * The timer behind the histogram costs CPU, so it runs only where the delay is the figure.
 *
 * @param more further commands
 */
export function control(port, { delay }, more = {}) {
  const histogram = delay ? monitorEventLoopDelay({ resolution: 1 }) : null;
  histogram?.enable();
  const ms = (nanoseconds) => nanoseconds / 1e6;
  const commands = {
    reset: () => {
      histogram?.reset();
      return {};
    },
    delay: () =>
      histogram === null
        ? {}
        : {
            samples: histogram.count,
            p50: ms(histogram.percentile(50)),
            p99: ms(histogram.percentile(99)),
            max: ms(histogram.max),
          },
    ...more,
  };
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    process.stdout.write(`${JSON.stringify(commands[line]?.() ?? { error: 'unknown' })}\n`);
  });
  lines.on('close', () => process.exit(0));
  process.stdout.write(`listening ${port}\n`);
}
