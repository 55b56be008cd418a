/** The smtp engine against our smtpd engine over real sockets. */
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { TlsError } from '../../lib/errors.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';

const serverTls = {
  securityLevel: 'may',
  chainFiles: [certificate('ml-dsa-65').chainFile],
} as const;

function client(options: ConstructorParameters<typeof Smtp>[0] = {}): { smtp: Smtp; lines: Lines } {
  const lines = new Lines();
  return { smtp: new Smtp({ myhostname: 'client.example', logger: lines, ...options }), lines };
}

const mail = {
  sender: 'a@example.org',
  recipients: ['b@example.com'],
  message: 'Subject: x\n\nhello\n',
};

describe('levels', () => {
  test('may: TLS where it is offered, with a post-quantum group and an ML-DSA-65 key', async () => {
    const { nexthop, received } = await startSmtpd({ tls: serverTls });
    const { smtp, lines } = client({ tls: { loglevel: 1 } });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.tls).toMatchObject({
      protocol: 'TLSv1.3',
      group: 'X25519MLKEM768',
      status: 'Untrusted',
      server: { algorithm: 'ML-DSA-65' },
    });
    expect(report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may' }]);
    expect(received).toMatchObject([
      {
        sender: 'a@example.org',
        recipients: ['b@example.com'],
        content: Buffer.from('Subject: x\r\n\r\nhello\r\n'),
      },
    ]);
    const relay = `127.0.0.1[127.0.0.1]:${nexthop.replace(/.*:/, '')}`;
    expect(lines.all).toEqual([
      `Untrusted TLS connection established to ${relay}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519MLKEM768 server-signature ML-DSA-65`,
      expect.stringMatching(
        /^[0-9A-F]+: to=<b@example\.com>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, delay=[\d.]+, delays=[\d./]+, tls=may, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as [0-9A-F]+\)$/,
      ),
    ]);
  });

  test('may: plaintext where TLS is not offered', async () => {
    const { nexthop } = await startSmtpd();
    const { smtp, lines } = client();
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report).toMatchObject({
      tls: null,
      recipients: [{ status: 'sent', dsn: '2.0.0', tlsFeature: 'may:none' }],
    });
    expect(lines.all[0]).toContain('tls=may:none');
  });

  test('none: plaintext where TLS is offered', async () => {
    const { nexthop, lines: server } = await startSmtpd({ tls: serverTls });
    const { smtp } = client({ tls: { securityLevel: 'none' } });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report).toMatchObject({
      tls: null,
      recipients: [{ status: 'sent', tlsFeature: 'none' }],
    });
    expect(await server.line(/^disconnect/)).not.toContain('starttls');
  });

  test('encrypt: TLS, also with a server that requires it', async () => {
    const { nexthop } = await startSmtpd({ tls: { ...serverTls, securityLevel: 'encrypt' } });
    const { smtp } = client({ tls: { securityLevel: 'encrypt' } });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'encrypt' }]);
  });

  test('encrypt: no mail where TLS is not offered', async () => {
    const { nexthop, received, lines: server } = await startSmtpd();
    const { smtp, lines } = client({ tls: { securityLevel: 'encrypt' } });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.4',
        reply: 'TLS is required, but was not offered by host 127.0.0.1[127.0.0.1]',
        tlsFeature: '!encrypt',
      },
    ]);
    expect(lines.all[0]).toContain('tls=!encrypt, dsn=4.7.4, status=deferred (TLS is required');
    expect(received).toEqual([]);
    expect(await server.line(/^disconnect/)).toBe(
      'disconnect from unknown[127.0.0.1] ehlo=1 quit=1 commands=2',
    );
  });

  test('wrappermode: TLS from the first byte', async () => {
    const { nexthop, received } = await startSmtpd({ tls: serverTls }, { wrappermode: true });
    const { smtp } = client({ tls: { securityLevel: 'encrypt', wrappermode: true } });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'encrypt' }]);
    expect(received).toHaveLength(1);
  });

  test('wrappermode needs a level that makes TLS mandatory', () => {
    expect(() => client({ tls: { securityLevel: 'may', wrappermode: true } })).toThrow(
      /smtp_tls_wrappermode needs smtp_tls_security_level encrypt/,
    );
  });
});

describe('content', () => {
  const megabytes = Buffer.from(
    Array.from({ length: 100_000 }, (_, i) => `${'.'.repeat(i % 3)}line ${i} \xfc\r\n`).join(''),
    'latin1',
  );

  async function* pieces(content: Buffer, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < content.length; at += size) {
      yield content.subarray(at, at + size);
    }
  }

  test.each<[string, () => Buffer | string | AsyncIterable<Buffer | string>]>([
    ['a Buffer', () => megabytes],
    ['an async generator of odd pieces', () => pieces(megabytes, 7919)],
    ['an async generator of large pieces', () => pieces(megabytes, 1_000_003)],
    ['a Readable', () => Readable.from([megabytes.subarray(0, 5), megabytes.subarray(5)])],
  ])('%s arrives byte for byte, in plaintext and in TLS', async (_, message) => {
    for (const securityLevel of ['none', 'encrypt'] as const) {
      const { nexthop, received } = await startSmtpd({ tls: serverTls });
      const { smtp } = client({ tls: { securityLevel } });
      const report = await smtp.deliver({ ...mail, message: message(), nexthop });
      expect(report.recipients).toMatchObject([{ status: 'sent' }]);
      expect(received[0]?.content.equals(megabytes)).toBe(true);
    }
  });

  test('strings are UTF-8, line ends become CRLF', async () => {
    const { nexthop, received } = await startSmtpd({ tls: serverTls });
    const { smtp } = client();
    await smtp.deliver({ ...mail, message: 'grüße\n.\n..\nno end', nexthop });
    expect(received[0]?.content.toString()).toBe('grüße\r\n.\r\n..\r\nno end\r\n');
  });

  test('a source that fails in the middle leaves no message behind', async () => {
    const { nexthop, received, lines: server } = await startSmtpd({ tls: serverTls });
    const { smtp } = client();
    async function* broken(): AsyncGenerator<string> {
      yield 'half a message\n'.repeat(10_000);
      throw new Error('disk on fire');
    }
    const report = await smtp.deliver({ ...mail, message: broken(), nexthop });
    expect(report.recipients).toMatchObject([
      { status: 'deferred', dsn: '4.3.0', reply: 'cannot read the message: disk on fire' },
    ]);
    await server.line(/^disconnect/);
    expect(received).toEqual([]);
  });

  test("a message beyond the server's SIZE is not sent at all", async () => {
    const { nexthop, lines: server } = await startSmtpd({ messageSizeLimit: 10 });
    const { smtp } = client();
    const report = await smtp.deliver({ ...mail, message: '12345678901', nexthop });
    expect(report.recipients).toMatchObject([
      {
        status: 'bounced',
        dsn: '5.3.4',
        reply: 'message size 11 exceeds size limit 10 of server 127.0.0.1[127.0.0.1]',
      },
    ]);
    expect(await server.line(/^disconnect/)).not.toContain('mail');
  });
});

describe('recipients', () => {
  test('each has its own result, in order', async () => {
    const { nexthop, received } = await startSmtpd({
      onRcpt: (_, { address }) => {
        switch (address) {
          case 'unknown@example.com':
            return { code: 550, enhanced: '5.1.1', text: 'User unknown' };
          case 'busy@example.com':
            return { code: 450, enhanced: '4.2.1', text: 'Mailbox\nbusy' };
          default:
            return undefined;
        }
      },
    });
    const { smtp, lines } = client();
    const recipients = [
      'unknown@example.com',
      'b@example.com',
      'busy@example.com',
      'c@example.com',
    ];
    const report = await smtp.deliver({ ...mail, recipients, nexthop, queueId: 'ABC' });
    const said = 'host 127.0.0.1[127.0.0.1] said:';
    expect(report.recipients).toMatchObject([
      {
        recipient: 'unknown@example.com',
        status: 'bounced',
        dsn: '5.1.1',
        reply: `${said} 550 5.1.1 User unknown (in reply to RCPT TO command)`,
      },
      { recipient: 'b@example.com', status: 'sent' },
      {
        recipient: 'busy@example.com',
        status: 'deferred',
        dsn: '4.2.1',
        reply: `${said} 450-4.2.1 Mailbox 450 4.2.1 busy (in reply to RCPT TO command)`,
      },
      { recipient: 'c@example.com', status: 'sent' },
    ]);
    expect(received).toMatchObject([{ recipients: ['b@example.com', 'c@example.com'] }]);
    expect(lines.matching(/^ABC: to=</)).toHaveLength(4);
  });

  test('a thousand go in one pipeline', async () => {
    const { nexthop, received } = await startSmtpd({ recipientLimit: 1000 });
    const { smtp } = client();
    const recipients = Array.from({ length: 1001 }, (_, i) => `user${i}@example.com`);
    const report = await smtp.deliver({ ...mail, recipients, nexthop });
    expect(report.recipients.slice(0, 1000).every(({ status }) => status === 'sent')).toBe(true);
    expect(report.recipients[1000]).toMatchObject({ status: 'deferred', dsn: '4.5.3' });
    expect(received[0]?.recipients).toHaveLength(1000);
  });

  test('a refused message is refused for all that were accepted', async () => {
    const { nexthop } = await startSmtpd({
      onData: () => ({ code: 554, enhanced: '5.6.0', text: 'No' }),
    });
    const { smtp } = client();
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([
      {
        status: 'bounced',
        dsn: '5.6.0',
        reply: 'host 127.0.0.1[127.0.0.1] said: 554 5.6.0 No (in reply to end of DATA command)',
      },
    ]);
  });

  test('a refused sender is refused for all', async () => {
    const { nexthop } = await startSmtpd({
      onMail: () => ({ code: 553, enhanced: '5.1.8', text: 'No' }),
    });
    const { smtp } = client();
    const report = await smtp.deliver({ ...mail, recipients: ['b@c.d', 'e@f.g'], nexthop });
    const result = {
      status: 'bounced',
      dsn: '5.1.8',
      reply: 'host 127.0.0.1[127.0.0.1] said: 553 5.1.8 No (in reply to MAIL FROM command)',
    };
    expect(report.recipients).toMatchObject([result, result]);
  });
});

describe('next hops', () => {
  test('a name is looked up, addresses are tried in turn', async () => {
    const { port, received } = await startSmtpd({ tls: serverTls });
    const { smtp, lines } = client({ lookup: async () => ['127.0.0.77', '127.0.0.1'] });
    const report = await smtp.deliver({
      ...mail,
      nexthop: `[mx.example.net]:${port}`,
      queueId: 'Q1',
    });
    expect(report.recipients).toMatchObject([
      { status: 'sent', relay: `mx.example.net[127.0.0.1]:${port}` },
    ]);
    expect(lines.all[0]).toBe(
      `Q1: connect to mx.example.net[127.0.0.77]:${port}: Connection refused`,
    );
    expect(received).toHaveLength(1);
  });

  test('a server that is not there', async () => {
    const { smtp, lines } = client();
    const report = await smtp.deliver({ ...mail, nexthop: '[127.0.0.77]:1', queueId: 'Q2' });
    expect(report.recipients).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.4.1',
        relay: null,
        reply: 'connect to 127.0.0.77[127.0.0.77]:1: Connection refused',
        tlsFeature: 'may?',
      },
    ]);
    expect(lines.all[0]).toMatch(
      /^Q2: to=<b@example\.com>, relay=none, .*tls=may\?, dsn=4\.4\.1, status=deferred \(connect to/,
    );
  });

  test.each([
    ['ENOTFOUND', 'bounced', '5.4.4', /Host not found$/],
    ['EAI_AGAIN', 'deferred', '4.4.3', /Host not found, try again$/],
  ])('a name that cannot be resolved: %s', async (code, status, dsn, text) => {
    const lookup = async (): Promise<string[]> => {
      throw Object.assign(new Error(code), { code });
    };
    const report = await client({ lookup }).smtp.deliver({ ...mail, nexthop: '[mx.example.net]' });
    expect(report.recipients).toMatchObject([
      { status, dsn, relay: null, reply: expect.stringMatching(text) },
    ]);
  });

  test.each(['192.0.2.1', 'a..b c', 'mx:', '[]', '[mx]:0', '[mx]:65536', '[m x]', '[mx]x'])(
    '%s is a mistake of the caller',
    async (nexthop) => {
      await expect(client().smtp.deliver({ ...mail, nexthop })).rejects.toMatchObject({
        class: 'usage',
        code: 'INVALID_ARGUMENT',
      });
    },
  );

  test.each([
    [{ sender: 'a b@example.org' }],
    [{ sender: 'a@example.org>\r\nRCPT TO:<x@y.z' }],
    [{ recipients: [] }],
    [{ recipients: [''] }],
    [{ recipients: ['b@example.com\r\nDATA'] }],
    [{ message: undefined }],
  ])('%j is a mistake of the caller', async (wrong) => {
    const request = { ...mail, nexthop: '[127.0.0.1]:1', ...wrong };
    const error: unknown = await client()
      .smtp.deliver(request as never)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TlsError);
    expect(error).toMatchObject({ class: 'usage', code: 'INVALID_ARGUMENT' });
  });
});
