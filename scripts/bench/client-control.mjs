// What the measured clients share: "ready" on stdout, then for each line "COUNT CONCURRENCY" on stdin
// that many deliveries, and one JSON line about them. They end when stdin does.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

/** As the load generator's message. */
export const ENVELOPE = { from: 'sender@client.test', to: 'recipient@server.test' };

const HEADER = [
  `From: <${ENVELOPE.from}>`,
  `To: <${ENVELOPE.to}>`,
  'Subject: bench',
  ...['', ''],
].join('\r\n');
const LINE = `${'QmVu'.repeat(19)}\r\n`;

/** 1 KiB, but for a few bytes. */
export function makeMessage() {
  return Buffer.from(HEADER + LINE.repeat(12));
}

/** --port P, --groups LIST */
export function clientOptions() {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, groups: { type: 'string' } },
  });
  if (values.port === undefined || values.groups === undefined) {
    throw new Error('a bench client needs --port and --groups');
  }
  return { port: Number(values.port), groups: values.groups };
}

/** `deliver` resolves to null when the message is accepted, else to the reason. */
export function controlClient(deliver) {
  const run = async (count, concurrency) => {
    let started = 0;
    const result = { delivered: 0, failed: 0, reason: null };
    const worker = async () => {
      while (started < count) {
        started++;
        const refusal = await deliver().catch((error) => error.message);
        if (refusal === null) {
          result.delivered++;
        } else {
          result.failed++;
          result.reason ??= refusal;
        }
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    return result;
  };
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const [count, concurrency] = line.split(' ').map(Number);
    process.stdout.write(`${JSON.stringify(await run(count, concurrency))}\n`);
  });
  lines.on('close', () => process.exit(0));
  process.stdout.write('ready\n');
}
