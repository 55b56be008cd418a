/** `mxtls smtpd` is killed in the middle of its work: what it acknowledged is there, and whole. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { parameters, type Run, smtpdCommand } from '../helpers/command.js';
import { Lines } from '../helpers/lines.js';
import { numberedMessage, numberOf } from '../helpers/numbered-messages.js';

const messages = 400;
const sessions = 50;
const smtp = new Smtp({ logger: new Lines(), tls: { securityLevel: 'encrypt' } });

function start(maildir: string): Run {
  const { chainFile } = certificate('ecdsa');
  return smtpdCommand(
    ...['--maildir', maildir],
    ...parameters('smtpd_tls_security_level=encrypt', `smtpd_tls_chain_files=${chainFile}`),
  );
}

/** Sends these messages; the numbers of those that were acknowledged, told one by one, too. */
async function send(
  numbers: readonly number[],
  port: number,
  acknowledged: (count: number) => void = () => undefined,
): Promise<ReadonlySet<number>> {
  const left = [...numbers];
  const sent = new Set<number>();
  const session = async (): Promise<void> => {
    for (let number = left.shift(); number !== undefined; number = left.shift()) {
      const { recipients } = await smtp.deliver({
        sender: 'a@client.example',
        recipients: ['b@mx.example'],
        message: numberedMessage(number),
        nexthop: `[127.0.0.1]:${port}`,
      });
      expect(recipients[0]?.status).toMatch(/^(sent|deferred)$/);
      if (recipients[0]?.status === 'sent') {
        sent.add(number);
        acknowledged(sent.size);
      }
    }
  };
  await Promise.all(Array.from({ length: sessions }, session));
  return sent;
}

/** Numbers of the messages in the Maildir, ascending; each of them must be whole. */
function stored(maildir: string): number[] {
  const folder = join(maildir, 'new');
  const numbers = readdirSync(folder).map((name) => {
    const number = numberOf(readFileSync(join(folder, name)), '\n');
    expect(number, `${name} is not what was sent`).not.toBeNull();
    return number ?? -1;
  });
  return numbers.sort((a, b) => a - b);
}

test.each([1, 100, 300])('SIGKILL after %i messages', { timeout: 60_000 }, async (moment) => {
  const maildir = mkdtempSync(join(tmpdir(), 'mxtls-crash-'));
  onTestFinished(() => rmSync(maildir, { recursive: true }));
  const all = Array.from({ length: messages }, (_, i) => i);
  const victim = start(maildir);
  const sent = await send(all, await victim.port(), (count) => {
    if (count === moment) {
      victim.child.kill('SIGKILL');
    }
  });
  expect(await victim.exit).toBe(128 + 9);
  expect(sent.size).toBeGreaterThanOrEqual(moment);
  expect(sent.size).toBeLessThan(messages);
  const survived = stored(maildir);
  expect(new Set(survived).size, 'no message is there twice').toBe(survived.length);
  expect([...sent].filter((number) => !survived.includes(number))).toEqual([]);

  const heir = start(maildir);
  const rest = all.filter((number) => !sent.has(number));
  const sentLater = await send(rest, await heir.port());
  expect(sentLater.size).toBe(rest.length);
  expect([...new Set(stored(maildir))]).toEqual(all);
});
