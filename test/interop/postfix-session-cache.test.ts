/**
 * TLS sessions between Debian 13's Postfix and us, each with a cache of its own: smtp(8) comes back to whichever process of
 * a cluster of ours, before and after its ticket keys roll over; our client to a Postfix whose every session is another
 * smtpd(8).
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { parameters, Run } from '../helpers/command.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { Lines } from '../helpers/lines.js';
import { Postfix, type PostfixOptions } from '../helpers/postfix.js';

const minute = 60_000;
const reason = whyNoDebian13();
const message = 'Subject: x\r\n\r\nx\r\n';

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-postfix-cache-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** With the shortest time-out a key is active for one minute, and its tickets are taken for another one. */
const shortest = 'smtpd_tls_session_cache_timeout=120';

/** Four processes of ours behind one port, and `mxtls tlsmgr`, which makes their ticket keys. */
class Cluster {
  readonly #smtpd: Run;

  private constructor(smtpd: Run) {
    this.#smtpd = smtpd;
  }

  static async start(): Promise<Cluster> {
    const socket = join(folder(), 'tlsmgr');
    const key = join(folder(), 'wrapping.key');
    writeFileSync(key, randomBytes(32), { mode: 0o600 });
    const shared = ['--wrapping-key', key, ...parameters(shortest)];
    const tlsmgr = new Run(['tlsmgr', '--listen', socket, ...shared]);
    await tlsmgr.until(() => tlsmgr.stdout !== '');
    const smtpd = new Run([
      ...['smtpd', '--workers', '4', '--listen', '127.0.0.1:0', '--tlsmgr', socket, ...shared],
      ...parameters('smtpd_tls_security_level=may', 'smtpd_tls_loglevel=2'),
      ...parameters(`smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`),
    ]);
    return new Cluster(smtpd);
  }

  port(): Promise<number> {
    return this.#smtpd.port();
  }

  /** Waits until so many clients have been served, to the last line about them. */
  async served(count: number): Promise<void> {
    await this.#smtpd.until(() => this.log(/^disconnect from /).length >= count);
  }

  /** Lines that match, each behind the number of its process. */
  log(pattern: RegExp): readonly (readonly [process: string, text: string])[] {
    const lines = this.#smtpd.stderr.matchAll(/^mxtls\/smtpd\[(\d+)\]: (.*)$/gm);
    return [...lines].flatMap(([, process = '', text = '']) =>
      pattern.test(text) ? [[process, text] as const] : [],
    );
  }
}

const resumed = /: Reusing old session \(RFC 5077 session ticket\)$/;
const issued = /: Issuing session ticket, key expiration: \d+$/;

describe.skipIf(reason !== null)('Debian 13', () => {
  beforeAll(() => prepareDebian13(), 10 * minute);

  const running: Postfix[] = [];

  afterAll(async () => {
    await Promise.all(running.map((postfix) => postfix.stop()));
  });

  async function started(options: Omit<PostfixOptions, 'mailboxes'>): Promise<Postfix> {
    const postfix = await Postfix.start({ ...options, mailboxes: ['b@postfix.example'] });
    running.push(postfix);
    return postfix;
  }

  /** Deliveries of Postfix's smtp(8) to a cluster of ours, until its ticket keys have changed. */
  async function crossRollover(protocol: string, kept: 'new' | 'former'): Promise<void> {
    const cluster = await Cluster.start();
    const postfix = await started({
      keys: [],
      transport: { 'cluster.example': `[127.0.0.1]:${await cluster.port()}` },
      main: {
        smtp_tls_session_cache_database: 'btree:$data_directory/smtp_scache',
        smtp_tls_mandatory_protocols: `>=${protocol}, <=${protocol}`,
        smtp_tls_loglevel: '2',
      },
    });
    let sent = 0;
    const send = async (): Promise<void> => {
      sent += 1;
      const to = `b${sent}@cluster.example`;
      postfix.submit('a@example.org', [to], message);
      expect(await postfix.lines.line(new RegExp(`to=<${to}>`))).toContain('status=sent');
      await cluster.served(sent);
    };

    await send();
    expect(cluster.log(resumed)).toEqual([]);
    expect(cluster.log(issued)).toHaveLength(1);
    while (new Set(cluster.log(resumed).map(([process]) => process)).size < 4) {
      await send();
      expect(cluster.log(resumed)).toHaveLength(sent - 1);
    }

    // Once its key is the previous one, a ticket is taken all the same, and another given, of the new key.
    while (cluster.log(issued).length < 2) {
      await send();
    }
    const [before, after] = cluster.log(issued).map(([, text]) => text.split(' ').at(-1));
    expect(Number(after)).toBeGreaterThan(Number(before));
    for (let i = 0; i < 4; i++) {
      await send();
    }
    const taken = cluster.log(/: Decrypting session ticket, key expiration: \d+$/).slice(-4);
    expect(taken.map(([, text]) => text.split(' ').at(-1))).toEqual(
      Array.from({ length: 4 }, () => (kept === 'new' ? after : before)),
    );

    expect(cluster.log(/TLS connection established/)).toHaveLength(sent);
    expect(cluster.log(resumed)).toHaveLength(sent - 1);
    expect(postfix.lines.matching(/Reusing old session/)).toHaveLength(sent - 1);
  }

  // Of a resumption in TLS 1.2 OpenSSL 3.5 tells a client's cache nothing: Postfix keeps the ticket of the first session
  // there, which is taken until its key is gone. Side by side, as each waits a minute for new keys.
  test(
    'its smtp(8) resumes from the second message on, at each process of ours, and over a rollover of the keys, in TLS 1.3 and 1.2',
    async () => {
      await Promise.all([crossRollover('TLSv1.3', 'new'), crossRollover('TLSv1.2', 'former')]);
    },
    3 * minute,
  );

  describe.each(['TLSv1.3', 'TLSv1.2'])('%s: our client to its smtpd(8)', (protocol) => {
    test.each([
      ['tickets', 'aes-256-cbc', 'memory:'],
      ['tickets', 'aes-256-cbc', 'lmdb:'],
      ['the cache of tlsmgr(8)', '', 'memory:'],
    ])(
      'resumes by %s (cipher "%s") out of %s, each time at another process',
      async (_, cipher, type) => {
        const postfix = await started({
          keys: ['ecdsa'],
          transport: { 'nowhere.example': 'error:nowhere' }, // an empty table is none
          main: {
            max_use: '1', // a smtpd(8) ends with its client: keys and sessions are tlsmgr(8)'s
            tls_session_ticket_cipher: cipher,
            smtpd_tls_session_cache_database: 'btree:$data_directory/smtpd_scache',
            smtpd_tls_loglevel: '2',
          },
        });
        const lines = new Lines();
        const smtp = new Smtp({
          logger: lines,
          tls: {
            securityLevel: 'encrypt',
            mandatoryProtocols: `>=${protocol}, <=${protocol}`,
            sessionCacheDatabase: type === 'lmdb:' ? `lmdb:${join(folder(), 'cache')}` : type,
            loglevel: 2,
          },
        });
        onTestFinished(() => smtp.close());
        const sessions: unknown[] = [];
        for (let count = 1; count <= 4; count++) {
          const { recipients, tls } = await smtp.deliver({
            ...{ sender: 'a@example.org', recipients: ['b@postfix.example'], message },
            nexthop: postfix.nexthop,
          });
          expect(recipients).toMatchObject([{ status: 'sent' }]);
          sessions.push([tls?.protocol, tls?.resumed]);
          await postfix.lines.nth(/^postfix\/smtpd\[\d+\]: disconnect from /, count);
        }
        expect(sessions).toEqual([false, true, true, true].map((again) => [protocol, again]));
        expect(lines.matching(/: Reusing old session$/)).toHaveLength(3);
        const theirs = postfix.lines.matching(/: Reusing old session/);
        expect(theirs.map((line) => line.endsWith('(RFC 5077 session ticket)'))).toEqual(
          Array.from({ length: 3 }, () => cipher !== ''),
        );
        expect(new Set(theirs.map((line) => /\d+/.exec(line)?.[0])).size).toBe(3);
      },
      minute,
    );
  });
});
