/**
 * Load: 200 sessions at a time, messages from 1 KB to 1 MB; none is lost, doubled or altered. Ours
 * carry five messages each, by DATA and BDAT in turn.
 *
 * 2,000 messages in each direction; `npm run test:load` sends 20,000.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { parameters, smtpdCommand } from '../helpers/command.js';
import { Lines } from '../helpers/lines.js';
import { numberedMessage, numberOf } from '../helpers/numbered-messages.js';
import { collect, startSmtpd } from '../helpers/servers.js';

const full = process.env['MXTLS_LOAD'] === 'full';
const messages = full ? 20_000 : 2_000;
const sessions = 200;
const patience = (full ? 300 : 60) * 1000;
const { chainFile } = certificate('ecdsa');

/** Calls `work` with `batch` numbers at a time, in as many calls at once as there are sessions. */
async function inSessions(
  batch: number,
  work: (numbers: readonly number[]) => Promise<void>,
): Promise<void> {
  let next = 0;
  const session = async (): Promise<void> => {
    while (next < messages) {
      const first = next;
      next += batch;
      await work(Array.from({ length: batch }, (_, i) => first + i));
    }
  };
  await Promise.all(Array.from({ length: sessions }, session));
}

/** What has arrived: each number as often as it came. */
class Arrivals {
  readonly counts = new Map<number, number>();
  altered = 0;

  add(number: number | null): void {
    if (number === null) {
      this.altered++;
    } else {
      this.counts.set(number, (this.counts.get(number) ?? 0) + 1);
    }
  }

  check(): void {
    const doubled = [...this.counts].filter(([, count]) => count > 1);
    const lost = Array.from({ length: messages }, (_, i) => i).filter((i) => !this.counts.has(i));
    expect({ altered: this.altered, doubled, lost }).toEqual({ altered: 0, doubled: [], lost: [] });
  }
}

test(`${messages} messages from our smtp to mxtls smtpd, under TLS, into a Maildir`, {
  timeout: patience,
}, async () => {
  const maildir = mkdtempSync(join(tmpdir(), 'mxtls-load-'));
  onTestFinished(() => rmSync(maildir, { recursive: true }));
  const smtpd = smtpdCommand(
    ...['--maildir', maildir],
    ...parameters('smtpd_tls_security_level=encrypt', `smtpd_tls_chain_files=${chainFile}`),
  );
  const nexthop = `[127.0.0.1]:${await smtpd.port()}`;
  const smtp = new Smtp({ logger: new Lines(), tls: { securityLevel: 'encrypt' } });
  const arrivals = new Arrivals();
  // As a mail reader would, so that the disk does not fill up.
  const fetchMail = (): void => {
    for (const name of readdirSync(join(maildir, 'new'))) {
      const file = join(maildir, 'new', name);
      arrivals.add(numberOf(readFileSync(file), '\n'));
      unlinkSync(file);
    }
  };
  let sent = 0;
  await inSessions(5, async (numbers) => {
    const requests = numbers.map((number) => ({
      sender: 'a@client.example',
      recipients: ['b@mx.example'],
      message: numberedMessage(number),
      bdat: number % 2 === 1,
      nexthop,
    }));
    for (const { recipients } of await smtp.deliverAll(requests)) {
      expect(recipients[0]).toMatchObject({ status: 'sent' });
    }
    sent += numbers.length;
    if (sent % 500 === 0) {
      fetchMail();
    }
  });
  fetchMail();
  arrivals.check();
  expect(readdirSync(join(maildir, 'tmp'))).toEqual([]);
});

test(`${messages} messages from nodemailer to our smtpd, under TLS`, {
  timeout: patience,
}, async () => {
  const arrivals = new Arrivals();
  const { port, smtpd } = await startSmtpd({
    tls: { securityLevel: 'encrypt', chainFiles: [chainFile] },
    onData: async (_session, message) => arrivals.add(numberOf(await collect(message))),
  });
  const pool = createTransport({
    ...{ host: '127.0.0.1', port, requireTLS: true, tls: { rejectUnauthorized: false } },
    ...{ pool: true, maxConnections: sessions, maxMessages: Number.POSITIVE_INFINITY },
  });
  onTestFinished(() => pool.close());
  const envelope = { from: 'a@client.example', to: ['b@mx.example'] };
  let atOnce = 0;
  await inSessions(1, async ([number = -1]) => {
    await pool.sendMail({ envelope, raw: numberedMessage(number) });
    atOnce = Math.max(atOnce, smtpd.connections);
  });
  arrivals.check();
  expect(atOnce).toBe(sessions);
});
