/** swaks (Debian 13's) to our smtpd: plaintext, STARTTLS, TLS from the first byte. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import {
  forgetDirectory,
  peerInDebian13,
  prepareDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';
import { startSmtpd } from '../helpers/servers.js';

const minutes = 60_000;
const reason = whyNoDebian13();
const tls = {
  securityLevel: 'may',
  chainFiles: [certificate('rsa').chainFile],
  loglevel: 1,
} as const;
const message = `Subject: swaks\n\n.\n..\n.dot\nblank \nGrüße\n${'line\n'.repeat(20_000)}`;

test.runIf(process.env['CI'] !== undefined)('swaks can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('swaks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-swaks-'));

  beforeAll(prepareDebian13, 10 * minutes);

  afterAll(() => {
    rmSync(directory, { recursive: true });
    forgetDirectory(directory);
  });

  /** Its exit code and its transcript. */
  async function swaks(
    port: number,
    ...options: readonly string[]
  ): Promise<{ readonly code: number | null; readonly transcript: string }> {
    const where = ['--server', '127.0.0.1', '--port', String(port), '--helo', 'client.example'];
    const who = ['--from', 'a@client.example', '--to', 'b@mx.example.com,c@mx.example.com'];
    const command = ['swaks', ...where, ...who, '--data', '-', ...options];
    return peerInDebian13(command, directory, message.slice(0, -1)); // it ends the last line itself
  }

  test.each([
    ['plaintext', [], {}, null],
    ['STARTTLS', ['--tls'], {}, 'TLSv1.3'],
    ['STARTTLS with TLS 1.2', ['--tls', '--tls-protocol', 'tlsv1_2'], {}, 'TLSv1.2'],
    ['STARTTLS, pipelined', ['--tls', '--pipeline'], {}, 'TLSv1.3'],
    ['TLS from the first byte', ['--tls-on-connect'], { wrappermode: true }, 'TLSv1.3'],
  ])('%s', async (_, options, where, protocol) => {
    const { port, received } = await startSmtpd({ tls }, where);
    const { code, transcript } = await swaks(port, ...options);
    expect(code, transcript).toBe(0);
    expect(transcript).toMatch(/^<[-~*]+ +250 2\.0\.0 Ok: queued as [0-9A-F]+$/m);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      sender: 'a@client.example',
      recipients: ['b@mx.example.com', 'c@mx.example.com'],
    });
    expect(received[0]?.content.toString().endsWith(message.replaceAll('\n', '\r\n'))).toBe(true);
    expect(received[0]?.session.tls?.protocol ?? null).toBe(protocol);
  });

  test('is told of recipients that are refused, and of TLS that is not there', async () => {
    const refusal = { code: 550, enhanced: '5.1.1', text: 'User unknown' };
    const { port, received } = await startSmtpd({
      onRcpt: (_session, { address }) => (address.startsWith('c@') ? refusal : undefined),
    });
    const { code, transcript } = await swaks(port, '--tls-optional');
    expect(code, transcript).toBe(0);
    expect(transcript).toContain('<** 550 5.1.1 User unknown');
    expect(received[0]?.recipients).toEqual(['b@mx.example.com']);
    expect((await swaks(port, '--tls')).code).toBe(29);
  });
});
