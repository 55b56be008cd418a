/**
 * The distribution's Postfix (Debian 13, 3.10) in both directions over STARTTLS: its smtp(8) to our
 * smtpd, our smtp to its smtpd(8). Messages are compared, and what both sides say about TLS.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import type { DeliveryRequest } from '../../lib/delivery/report.js';
import { Smtpd } from '../../lib/server.js';
import type { SmtpdListener } from '../../lib/smtpd/listener.js';
import { certificate } from '../helpers/certificates.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { Lines } from '../helpers/lines.js';
import { Postfix } from '../helpers/postfix.js';
import { collect, type Received } from '../helpers/servers.js';

const minutes = 60_000;
const reason = whyNoDebian13();

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

/** Dots, bytes beyond ASCII, blanks at line ends, and as many lines as are asked for. */
function message(id: string, lines = 3): string {
  return [
    'From: <a@example.org>',
    'To: <b@example.net>',
    'Date: Sat, 31 Jan 2026 12:00:00 +0000',
    `Message-ID: <${id}@example.org>`,
    `Subject: ${id}`,
    '',
    ...['.', '..', '.dot', 'blank ', 'Grüße aus Köln', '', 'From here'],
    ...Array.from({ length: lines }, (_, i) => `line ${i} ${'x'.repeat(i % 900)}`),
    '',
  ].join('\r\n');
}

/** A message without what those who carried it have put before it. */
function carried(content: string): string {
  const text = content.replace(/\r?\n/g, '\r\n');
  return text.replace(
    /^(?:(?:Return-Path|X-Original-To|Delivered-To|Received):.*\r\n(?:[ \t].*\r\n)*)+/,
    '',
  );
}

/** What a summary line says about the session, which is the same on both sides. */
function session(line: string): string {
  return line.replace(/^.*TLS connection established (?:to|from) \S+: /, '');
}

describe.skipIf(reason !== null)('Postfix', () => {
  const kinds = ['ecdsa', 'rsa', 'ed25519', 'ml-dsa-65'] as const;
  const servers = new Map<string, OurServer>();
  let postfix: Postfix;

  beforeAll(async () => {
    prepareDebian13();
    for (const kind of [...kinds, 'plaintext'] as const) {
      const chainFiles = kind === 'plaintext' ? [] : [certificate(kind).chainFile];
      const securityLevel = kind === 'plaintext' ? 'none' : 'may';
      servers.set(`${kind}.example`, await ourServer({ securityLevel, chainFiles, loglevel: 1 }));
    }
    const transport = [...servers].map(([domain, { listener }]) => [
      domain,
      `[127.0.0.1]:${listener.port}`,
    ]);
    postfix = await Postfix.start({
      keys: ['rsa', 'ecdsa'],
      mailboxes: ['b', 'c', '愛子'].map((name) => `${name}@postfix.example`),
      transport: Object.fromEntries(transport),
      main: { smtp_tls_security_level: 'may' },
    });
  }, 10 * minutes);

  afterAll(async () => {
    await postfix?.stop();
    for (const { smtpd } of servers.values()) {
      await smtpd.close(true);
    }
  });

  const server = (domain: string): OurServer => {
    const found = servers.get(domain);
    expect(found).toBeDefined();
    return found as OurServer;
  };

  describe('its smtp(8) to our smtpd', () => {
    test.each(kinds)('over STARTTLS with %s', async (kind) => {
      const { received, lines } = server(`${kind}.example`);
      const sent = message(`to-${kind}`);
      postfix.submit('a@example.org', [`b@${kind}.example`], sent);
      const record = await postfix.lines.line(new RegExp(`to=<b@${kind}\\.example>`));
      expect(record).toMatch(/dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as [0-9A-F]+\)$/);
      expect(received).toHaveLength(1);
      expect(received[0]).toMatchObject({
        sender: 'a@example.org',
        recipients: [`b@${kind}.example`],
      });
      expect(carried(received[0]?.content.toString() ?? '')).toBe(sent);
      const { port } = server(`${kind}.example`).listener;
      const theirs = await postfix.lines.line(
        new RegExp(`TLS connection established to \\S+:${port}: `),
      );
      const ours = await lines.line(/TLS connection established from/);
      expect(session(ours)).toBe(session(theirs));
      expect(ours).toMatch(
        /^Anonymous .*: TLSv1\.3 with cipher .* key-exchange .* server-signature/,
      );
    });

    test('in plaintext, when we offer no TLS', async () => {
      const { received } = server('plaintext.example');
      const sent = message('to-plaintext');
      postfix.submit('a@example.org', ['b@plaintext.example'], sent);
      expect(await postfix.lines.line(/to=<b@plaintext\.example>/)).toContain('status=sent');
      expect(carried(received[0]?.content.toString() ?? '')).toBe(sent);
      expect(received[0]?.session.tls).toBeNull();
    });

    test('a megabyte, to several recipients, one of whom is refused', async () => {
      const { received } = server('rsa.example');
      const before = received.length;
      const sent = message('big', 2500);
      const names = ['b', 'nobody', 'c'];
      postfix.submit(
        'a@example.org',
        names.map((name) => `${name}@rsa.example`),
        sent,
      );
      await postfix.lines.line(/to=<c@rsa\.example>.*status=sent/);
      expect(await postfix.lines.line(/to=<nobody@rsa\.example>/)).toMatch(
        /dsn=5\.1\.1, status=bounced \(host 127\.0\.0\.1\[127\.0\.0\.1\] said: 550 5\.1\.1 User unknown \(in reply to RCPT TO command\)\)$/,
      );
      const [mail] = received.slice(before);
      expect(mail?.recipients).toEqual(['b@rsa.example', 'c@rsa.example']);
      expect(carried(mail?.content.toString() ?? '')).toBe(sent);
      expect(sent.length).toBeGreaterThan(1_000_000);
    });

    test('between addresses beyond ASCII', async () => {
      const { received } = server('ed25519.example');
      const sent = message('to-utf8').replace('<b@example.net>', '<愛子@ed25519.example>');
      postfix.submit('elżbieta@example.org', ['愛子@ed25519.example'], sent);
      const record = await postfix.lines.line(/to=<愛子@ed25519\.example>/);
      expect(record).toContain('status=sent');
      const mail = received.at(-1);
      expect(mail?.sender).toBe('elżbieta@example.org');
      expect(mail?.recipients).toEqual(['愛子@ed25519.example']);
      expect(carried(mail?.content.toString() ?? '')).toBe(sent);
    });

    test('twenty messages, each once', async () => {
      const { received } = server('ecdsa.example');
      const before = received.length;
      const all = Array.from({ length: 20 }, (_, i) => message(`many-${i}`, i));
      for (const [i, sent] of all.entries()) {
        postfix.submit('a@example.org', [`many-${i}@ecdsa.example`], sent);
      }
      for (const i of all.keys()) {
        const record = await postfix.lines.line(new RegExp(`to=<many-${i}@ecdsa\\.example>`));
        expect(record).toContain('status=sent');
      }
      const got = received.slice(before).map(({ content }) => carried(content.toString()));
      expect(got.sort()).toEqual([...all].sort());
    });
  });

  describe('our smtp to its smtpd(8)', () => {
    const lines = new Lines();
    const client = (level: 'none' | 'may' | 'encrypt'): Smtp =>
      new Smtp({
        myhostname: 'client.example',
        logger: lines,
        tls: { securityLevel: level, loglevel: 1 },
      });
    const request = (recipients: readonly string[], content: string): DeliveryRequest => ({
      sender: 'a@example.org',
      recipients,
      message: Buffer.from(content),
      nexthop: postfix.nexthop,
    });
    const deliver = (smtp: Smtp, recipients: readonly string[], content: string) =>
      smtp.deliver(request(recipients, content));
    /** The copy of a message in a mailbox, once Postfix says that it is there. */
    const delivered = async (reply: string, recipient: string, id: string): Promise<string> => {
      const queueId = /queued as (\w+)$/.exec(reply)?.[1] ?? 'no queue id';
      await postfix.lines.line(
        new RegExp(`${queueId}: to=<${recipient}>.*\\(delivered to maildir\\)`),
      );
      const copies = postfix.mails(recipient).filter((mail) => mail.includes(`<${id}@`));
      expect(copies).toHaveLength(1);
      return carried(copies[0] ?? '');
    };

    test('over STARTTLS', async () => {
      const sent = message('from-us');
      const report = await deliver(client('encrypt'), ['b@postfix.example'], sent);
      expect(report.recipients).toMatchObject([
        { status: 'sent', dsn: '2.0.0', tlsFeature: 'encrypt' },
      ]);
      const reply = report.recipients[0]?.reply ?? '';
      expect(await delivered(reply, 'b@postfix.example', 'from-us')).toBe(sent);
      const ours = await lines.line(/TLS connection established to/);
      const theirs = await postfix.lines.line(/TLS connection established from/);
      expect(ours).toMatch(
        /^Untrusted .*: TLSv1\.3 with cipher .* key-exchange .* server-signature/,
      );
      expect(session(ours)).toBe(session(theirs));
    });

    test('in plaintext, when we want no TLS', async () => {
      const sent = message('plain');
      const report = await deliver(client('none'), ['b@postfix.example'], sent);
      expect(report.tls).toBeNull();
      const reply = report.recipients[0]?.reply ?? '';
      expect(await delivered(reply, 'b@postfix.example', 'plain')).toBe(sent);
    });

    test('a megabyte, to several recipients, one of whom is refused', async () => {
      const sent = message('mega', 2500);
      const recipients = ['b', 'nobody', 'c'].map((name) => `${name}@postfix.example`);
      const { recipients: results } = await deliver(client('may'), recipients, sent);
      expect(results.map(({ status, dsn }) => `${status} ${dsn}`)).toEqual([
        'sent 2.0.0',
        'bounced 5.1.1',
        'sent 2.0.0',
      ]);
      for (const recipient of ['b@postfix.example', 'c@postfix.example']) {
        expect(await delivered(results[0]?.reply ?? '', recipient, 'mega')).toBe(sent);
      }
    });

    test('by BDAT, a megabyte', async () => {
      const sent = message('chunks', 2500);
      const { recipients } = await client('encrypt').deliver({
        ...request(['b@postfix.example'], sent),
        bdat: true,
      });
      const reply = recipients[0]?.reply ?? '';
      expect(await delivered(reply, 'b@postfix.example', 'chunks')).toBe(sent);
      expect(await postfix.lines.line(/disconnect .* bdat=/)).not.toContain(' data=');
    });

    test('between addresses beyond ASCII', async () => {
      const sent = message('utf8').replace('<b@example.net>', '<愛子@postfix.example>');
      const { recipients } = await client('encrypt').deliver({
        ...request(['愛子@postfix.example'], sent),
        sender: 'elżbieta@example.org',
      });
      const reply = recipients[0]?.reply ?? '';
      expect(await delivered(reply, '愛子@postfix.example', 'utf8')).toBe(sent);
    });

    test('ten messages over one connection', async () => {
      const all = Array.from({ length: 10 }, (_, i) => message(`batch-${i}`, i * 50));
      const reports = await client('encrypt').deliverAll(
        all.map((sent, i) => ({ ...request(['c@postfix.example'], sent), bdat: i % 2 === 0 })),
      );
      for (const [i, { recipients }] of reports.entries()) {
        const reply = recipients[0]?.reply ?? '';
        expect(await delivered(reply, 'c@postfix.example', `batch-${i}`)).toBe(all[i]);
      }
      expect(await postfix.lines.line(/disconnect .* mail=10 /)).toContain('starttls=1 ');
    });

    test('relaying is refused for good', async () => {
      const { recipients } = await deliver(client('may'), ['b@elsewhere.example'], message('no'));
      expect(recipients).toMatchObject([
        { status: 'bounced', dsn: '5.7.1', reply: expect.stringContaining('Relay access denied') },
      ]);
    });
  });
});

interface OurServer {
  readonly smtpd: Smtpd;
  readonly listener: SmtpdListener;
  readonly received: Received[];
  readonly lines: Lines;
}

async function ourServer(
  tls: ConstructorParameters<typeof Smtpd>[0]['tls'] & object,
): Promise<OurServer> {
  const lines = new Lines();
  const received: Received[] = [];
  const smtpd = new Smtpd({
    myhostname: 'mx.example',
    logger: lines,
    tls,
    onRcpt: (_session, { address }) =>
      address.startsWith('nobody@')
        ? { code: 550, enhanced: '5.1.1', text: 'User unknown' }
        : undefined,
    onData: async (client, content) => {
      const recipients = client.recipients.map(({ address }) => address);
      const sender = client.sender?.address ?? '?';
      received.push({ sender, recipients, content: await collect(content), session: client });
    },
  });
  return { smtpd, listener: await smtpd.listen({ host: '127.0.0.1', port: 0 }), received, lines };
}
