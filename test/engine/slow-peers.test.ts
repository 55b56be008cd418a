/**
 * Peers that send a byte a second, in plaintext, in the handshake and inside TLS, hold their own
 * connection and nothing else.
 *
 * 300 of them; `npm run test:load` has 5,000.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { parameters, smtpdCommand } from '../helpers/command.js';
import { Lines } from '../helpers/lines.js';

const full = process.env['MXTLS_LOAD'] === 'full';
const peers = full ? 5000 : 300;
const sessions = 41;
const { chainFile } = certificate('ecdsa');

/** Median of the milliseconds that a session with STARTTLS and one message takes. */
async function sessionTime(nexthop: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < sessions; i++) {
    const smtp = new Smtp({ logger: new Lines(), tls: { securityLevel: 'encrypt' } });
    const begin = performance.now();
    const report = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], nexthop },
      message: 'Subject: hello\r\n\r\nhello\r\n',
    });
    times.push(performance.now() - begin);
    expect(report.recipients.map(({ status }) => status)).toEqual(['sent']);
  }
  return times.sort((a, b) => a - b)[Math.floor(sessions / 2)] ?? 0;
}

test('slow peers leave a good client within twice its time without them', {
  timeout: 120_000,
}, async () => {
  const server = smtpdCommand(
    ...parameters('smtpd_tls_security_level=may', `smtpd_tls_chain_files=${chainFile}`),
  );
  const port = await server.port();
  const nexthop = `[127.0.0.1]:${port}`;
  await sessionTime(nexthop); // warm
  const alone = await sessionTime(nexthop);
  const script = fileURLToPath(new URL('../helpers/slow-peers.mjs', import.meta.url));
  const slow = spawn(process.execPath, [script, `${port}`, `${peers}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void slow.kill('SIGKILL'));
  const lines = createInterface(slow.stdout)[Symbol.asyncIterator]();
  expect(await lines.next()).toEqual({ done: false, value: 'ready' });
  const crowded = await sessionTime(nexthop);
  slow.stdin.end();
  expect(await lines.next()).toEqual({ done: false, value: `open ${peers}` });
  await once(slow, 'close');
  expect(crowded / alone).toBeLessThan(2);
});
