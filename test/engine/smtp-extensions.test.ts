/** The smtp engine beyond plain mail: BDAT, DSN, SMTPUTF8, AUTH, several hosts and messages. */
import { describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { acceptMail, hello, scriptedServer } from '../helpers/scripted-server.js';
import { startSmtpd } from '../helpers/servers.js';

const serverTls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;
const mail = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' };

function client(options: SmtpOptions = {}): { smtp: Smtp; lines: Lines } {
  const lines = new Lines();
  return { smtp: new Smtp({ myhostname: 'client.example', logger: lines, ...options }), lines };
}

/** What a server that accepts everything heard from us. */
async function heard(
  keywords: readonly string[],
  options: SmtpOptions = {},
  request: object = {},
): Promise<string> {
  let text = '';
  const server = await scriptedServer(async (peer) => {
    await hello(peer, ...keywords);
    await acceptMail(peer);
    await peer.gone();
    text = peer.heard;
  });
  await client(options).smtp.deliver({ ...mail, nexthop: server.nexthop, ...request });
  await server.done;
  return text;
}

describe('BDAT', () => {
  const content = Buffer.from(`.dot\r\n${'line of text\r\n'.repeat(100_000)}`);

  async function* pieces(size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < content.length; at += size) {
      yield content.subarray(at, at + size);
    }
  }

  test.each([
    ['a Buffer', () => content],
    ['a stream of small pieces', () => pieces(1000)],
    ['a stream of large pieces', () => pieces(300_001)],
    ['a small message', () => 'x\n'],
    ['a message without line end', () => 'x'],
    ['an empty message', () => ''],
  ])('%s arrives byte for byte', async (_, message) => {
    for (const discardEhloKeywords of [[], ['PIPELINING']]) {
      const { nexthop, received, lines } = await startSmtpd({
        tls: serverTls,
        discardEhloKeywords,
      });
      const sent = message();
      const report = await client().smtp.deliver({ ...mail, message: sent, nexthop, bdat: true });
      expect(report.recipients).toMatchObject([{ status: 'sent', dsn: '2.0.0' }]);
      const expected = typeof sent === 'string' ? Buffer.from(sent && 'x\r\n') : content;
      expect(received[0]?.content.equals(expected)).toBe(true);
      expect(await lines.line(/^disconnect/)).toMatch(/ bdat=\d+ /);
    }
  });

  test('DATA where CHUNKING is not offered', async () => {
    const { nexthop, lines } = await startSmtpd({ discardEhloKeywords: ['CHUNKING'] });
    const report = await client().smtp.deliver({ ...mail, nexthop, bdat: true });
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(await lines.line(/^disconnect/)).toContain('data=1');
  });

  test('a refused chunk is the end of the message', async () => {
    const { nexthop } = await startSmtpd({
      onData: () => ({ code: 554, enhanced: '5.6.0', text: 'No' }),
    });
    const report = await client().smtp.deliver({ ...mail, message: content, nexthop, bdat: true });
    expect(report.recipients).toMatchObject([
      {
        status: 'bounced',
        dsn: '5.6.0',
        reply: 'host 127.0.0.1[127.0.0.1] said: 554 5.6.0 No (in reply to BDAT command)',
      },
    ]);
  });

  test('no chunk goes out when no recipient is accepted', async () => {
    const { nexthop, lines } = await startSmtpd({
      onRcpt: () => ({ code: 550, enhanced: '5.1.1', text: 'No' }),
    });
    const report = await client().smtp.deliver({ ...mail, nexthop, bdat: true });
    expect(report.recipients).toMatchObject([{ status: 'bounced', dsn: '5.1.1' }]);
    expect(await lines.line(/^disconnect/)).not.toContain('bdat');
  });
});

describe('what is said in MAIL and RCPT', () => {
  test('only what the server offers', async () => {
    const text = await heard([], {}, { ret: 'HDRS', envid: 'x' });
    expect(text).toContain('MAIL FROM:<a@example.org>\r\n');
    expect(text).toContain('RCPT TO:<b@example.com>\r\n');
  });

  test('SIZE and 8BITMIME', async () => {
    expect(await heard(['SIZE 1000', '8BITMIME'])).toContain(
      'MAIL FROM:<a@example.org> SIZE=6 BODY=8BITMIME\r\n',
    );
    expect(await heard(['8BITMIME'], {}, { encoding: '7bit' })).toContain(
      'MAIL FROM:<a@example.org>\r\n',
    );
  });

  test('DSN', async () => {
    const recipients = [
      { address: 'b@example.com', notify: ['FAILURE', 'DELAY'], orcpt: 'rfc822;o+x@example.com' },
      'c@example.com',
    ];
    const text = await heard(['DSN'], {}, { ret: 'HDRS', envid: 'a b', recipients });
    expect(text).toContain('MAIL FROM:<a@example.org> RET=HDRS ENVID=a+20b\r\n');
    expect(text).toContain(
      'RCPT TO:<b@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;o+2Bx@example.com\r\n',
    );
    expect(text).toContain('RCPT TO:<c@example.com>\r\n');
  });

  test('smtp_discard_ehlo_keywords', async () => {
    const options = { discardEhloKeywords: ['size', '8bitmime', 'starttls'] };
    expect(await heard(['SIZE 1', '8BITMIME', 'STARTTLS'], options)).toContain(
      'MAIL FROM:<a@example.org>\r\n',
    );
  });

  test.each([
    [{ recipients: [{ address: 'b@example.com', notify: ['NEVER', 'DELAY'] }] }],
    [{ recipients: [{ address: 'b@example.com', notify: ['SOON'] }] }],
    [{ recipients: [{ address: 'b@example.com', orcpt: 'b@example.com' }] }],
    [{ recipients: [{ address: 'b c@example.com' }] }],
    [{ ret: 'ALL' }],
    [{ envid: '' }],
    [{ nexthop: [] }],
  ])('%j is a mistake of the caller', async (wrong) => {
    const request = { ...mail, nexthop: '[127.0.0.1]:1', ...wrong };
    await expect(client().smtp.deliver(request as never)).rejects.toMatchObject({
      class: 'usage',
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('SMTPUTF8', () => {
  const request = { ...mail, sender: 'grüße@example.org', recipients: ['ü@example.com'] };

  test('is used where an address needs it', async () => {
    const { nexthop, received } = await startSmtpd({ tls: serverTls });
    const report = await client().smtp.deliver({ ...request, nexthop });
    expect(report.recipients).toMatchObject([{ status: 'sent', recipient: 'ü@example.com' }]);
    expect(received).toMatchObject([
      { sender: 'grüße@example.org', recipients: ['ü@example.com'] },
    ]);
  });

  test.each([
    ['not offered', { smtputf8Enable: false }, {}],
    ['switched off', {}, { smtputf8Enable: false }],
  ])('%s: bounced', async (_, server, options) => {
    const { nexthop } = await startSmtpd(server);
    const report = await client(options).smtp.deliver({ ...request, nexthop });
    expect(report.recipients).toMatchObject([
      {
        status: 'bounced',
        dsn: '5.6.7',
        reply: 'SMTPUTF8 is required, but was not offered by host 127.0.0.1[127.0.0.1]',
      },
    ]);
  });
});

describe('AUTH', () => {
  const credentials = { username: 'user', password: 'secret' };
  const server = {
    saslAuthEnable: true,
    onAuth: (_: unknown, { username, password }: { username: string; password: string }) =>
      username === 'user' && password === 'secret',
    tls: serverTls,
  };
  const plaintextAllowed = { saslAuthEnable: true, saslSecurityOptions: ['noanonymous'] } as const;

  test('PLAIN, inside TLS', async () => {
    const { nexthop, received } = await startSmtpd(server);
    const { smtp } = client({ ...plaintextAllowed, credentials });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(received[0]?.session).toMatchObject({ auth: { mechanism: 'PLAIN', username: 'user' } });
  });

  test('LOGIN where the server has nothing else; credentials by host', async () => {
    const said: (string | null)[] = [];
    const peer = await scriptedServer(async (there) => {
      await hello(there, 'AUTH CRAM-MD5 LOGIN');
      said.push(await there.answer('334 VXNlcm5hbWU6\r\n'));
      said.push(await there.answer('334 UGFzc3dvcmQ6\r\n'));
      said.push(await there.answer('235 2.7.0 ok\r\n'));
      await acceptMail(there);
    });
    const hosts: string[] = [];
    const { smtp } = client({
      ...plaintextAllowed,
      credentials: async (host) => {
        hosts.push(host);
        return credentials;
      },
    });
    const report = await smtp.deliver({ ...mail, nexthop: peer.nexthop });
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(said).toEqual(['AUTH LOGIN', 'dXNlcg==', 'c2VjcmV0']);
    expect(hosts).toEqual(['127.0.0.1']);
  });

  test('the default smtp_sasl_security_options keep the password', async () => {
    const { nexthop, lines } = await startSmtpd(server);
    const { smtp } = client({ saslAuthEnable: true, credentials });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.0',
        reply:
          'SASL authentication failed; cannot authenticate to server 127.0.0.1[127.0.0.1]: no mechanism available',
      },
    ]);
    expect(await lines.line(/^disconnect/)).not.toContain('auth');
  });

  test('a refused password defers, and is in no log', async () => {
    const { nexthop } = await startSmtpd(server);
    const { smtp, lines } = client({
      ...plaintextAllowed,
      credentials: { username: 'user', password: 'wr0ng' },
    });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([
      {
        status: 'deferred',
        dsn: '4.7.8',
        reply:
          'SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 Error: authentication failed: (reason unavailable)',
      },
    ]);
    expect(lines.all.join()).not.toMatch(/wr0ng|AHVzZXI/);
  });

  test('without AUTH offered, or saslAuthEnable, mail goes without', async () => {
    const { nexthop, lines } = await startSmtpd({ tls: serverTls });
    const report = await client({ ...plaintextAllowed, credentials }).smtp.deliver({
      ...mail,
      nexthop,
    });
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    const second = await startSmtpd(server);
    await client({ credentials }).smtp.deliver({ ...mail, nexthop: second.nexthop });
    expect(await second.lines.line(/^disconnect/)).not.toContain('auth');
    expect(await lines.line(/^disconnect/)).not.toContain('auth');
  });

  test('with credentials there is no fall-back to plaintext', async () => {
    const peer = await scriptedServer(async (there) => {
      await hello(there, 'STARTTLS');
      await there.answer('220 go\r\n');
      there.end();
    });
    const tls = { eecdhAutoCurves: ['X25519'] }; // no second try with a smaller ClientHello
    const { smtp } = client({ ...plaintextAllowed, credentials, tls });
    const report = await smtp.deliver({
      ...mail,
      nexthop: peer.nexthop,
      arrivalTime: Date.now() - 400_000,
    });
    expect(report.recipients).toMatchObject([{ status: 'deferred', dsn: '4.7.5' }]);
    expect(peer.connections).toBe(1);
  });
});

describe('several hosts', () => {
  test('are tried in turn; a recipient is delivered once', async () => {
    const busy = await startSmtpd({
      onRcpt: (_, { address }) =>
        address.startsWith('b@') ? { code: 450, enhanced: '4.2.0', text: 'later' } : undefined,
    });
    const good = await startSmtpd();
    const { smtp, lines } = client();
    const report = await smtp.deliver({
      ...mail,
      recipients: ['b@example.com', 'c@example.com'],
      nexthop: ['[127.0.0.77]:1', busy.nexthop, good.nexthop],
      queueId: 'Q1',
    });
    expect(report.recipients).toMatchObject([
      { status: 'sent', relay: expect.stringContaining(`:${good.port}`) },
      { status: 'sent', relay: expect.stringContaining(`:${busy.port}`) },
    ]);
    expect(busy.received.map(({ recipients }) => recipients)).toEqual([['c@example.com']]);
    expect(good.received.map(({ recipients }) => recipients)).toEqual([['b@example.com']]);
    expect(lines.all[0]).toBe('Q1: connect to 127.0.0.77[127.0.0.77]:1: Connection refused');
  });

  test('what is refused for good is refused for good', async () => {
    const first = await startSmtpd({ onRcpt: () => ({ code: 550, text: 'no' }) });
    const second = await startSmtpd();
    const report = await client().smtp.deliver({
      ...mail,
      nexthop: [first.nexthop, second.nexthop],
    });
    expect(report.recipients).toMatchObject([{ status: 'bounced' }]);
    expect(second.received).toEqual([]);
  });

  test('the last reason is what is told', async () => {
    const first = await startSmtpd({ onConnect: () => ({ code: 421, text: 'first' }) });
    const second = await startSmtpd({ onConnect: () => ({ code: 421, text: 'second' }) });
    const report = await client().smtp.deliver({
      ...mail,
      nexthop: [first.nexthop, second.nexthop],
    });
    expect(report.recipients).toMatchObject([
      { status: 'deferred', reply: expect.stringContaining('421 second') },
    ]);
  });

  test('a stream that was begun is not begun again', async () => {
    const first = await startSmtpd({ onData: () => ({ code: 451, text: 'later' }) });
    const second = await startSmtpd();
    async function* message(): AsyncGenerator<string> {
      yield 'hello\n';
    }
    const report = await client().smtp.deliver({
      ...mail,
      message: message(),
      nexthop: [first.nexthop, second.nexthop],
    });
    expect(report.recipients).toMatchObject([{ status: 'deferred' }]);
    expect(second.received).toEqual([]);
  });
});

describe('several messages', () => {
  test('go over one connection', async () => {
    const { nexthop, received, lines: server } = await startSmtpd({ tls: serverTls });
    const { smtp, lines } = client({ tls: { loglevel: 1 } });
    const requests = ['one\n', 'two\n', 'three\n'].map((message, i) => ({
      ...mail,
      message,
      nexthop,
      queueId: `Q${i}`,
      bdat: i === 1,
    }));
    const reports = await smtp.deliverAll(requests);
    expect(reports.map(({ recipients }) => recipients[0]?.status)).toEqual([
      'sent',
      'sent',
      'sent',
    ]);
    expect(received.map(({ content }) => content.toString())).toEqual([
      'one\r\n',
      'two\r\n',
      'three\r\n',
    ]);
    expect(await server.line(/^disconnect/)).toBe(
      'disconnect from unknown[127.0.0.1] ehlo=2 starttls=1 mail=3 rcpt=3 data=2 bdat=1 quit=1 commands=13',
    );
    expect(server.matching(/^connect/)).toHaveLength(1);
    expect(
      lines.matching(/TLS connection/).map((line) => /TLS connection \w+/.exec(line)?.[0]),
    ).toEqual(['TLS connection established', 'TLS connection reused', 'TLS connection reused']);
    expect(lines.matching(/^Q2/)[0]).toContain('conn_use=3,');
    expect(lines.matching(/^Q2/)[0]).toContain('tls=may,');
  });

  test('a refused one is followed by RSET', async () => {
    const { nexthop, received, lines } = await startSmtpd({
      onRcpt: (_, { address }) =>
        address.startsWith('x@') ? { code: 550, text: 'no' } : undefined,
    });
    const reports = await client().smtp.deliverAll([
      { ...mail, recipients: ['x@example.com'], nexthop },
      { ...mail, nexthop },
    ]);
    expect(reports.map(({ recipients }) => recipients[0]?.status)).toEqual(['bounced', 'sent']);
    expect(received).toHaveLength(1);
    expect(await lines.line(/^disconnect/)).toMatch(/rset=1/);
  });

  test('a connection that breaks between two is replaced', async () => {
    const server = await scriptedServer(
      async (peer) => {
        await hello(peer, 'PIPELINING');
        await acceptMail(peer);
        peer.end();
      },
      async (peer) => {
        await hello(peer, 'PIPELINING');
        await acceptMail(peer);
      },
    );
    const request = { ...mail, nexthop: server.nexthop };
    const reports = await client().smtp.deliverAll([request, { ...request, message: 'second\n' }]);
    expect(reports.map(({ recipients }) => recipients[0]?.status)).toEqual(['sent', 'sent']);
    expect(server.connections).toBe(2);
  });

  test('one wrong request and nothing is sent', async () => {
    const { nexthop, received } = await startSmtpd();
    await expect(
      client().smtp.deliverAll([
        { ...mail, nexthop },
        { ...mail, nexthop: 'no brackets' },
      ]),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(received).toEqual([]);
  });

  test('none at all', async () => {
    expect(await client().smtp.deliverAll([])).toEqual([]);
  });
});

describe('parameters', () => {
  test('smtp_bind_address', async () => {
    const { nexthop, received } = await startSmtpd();
    await client({ bindAddress: '127.0.0.9' }).smtp.deliver({ ...mail, nexthop });
    expect(received[0]?.session.remoteAddress).toBe('127.0.0.9');
  });

  test('an address that is not ours defers', async () => {
    const { nexthop } = await startSmtpd();
    const report = await client({ bindAddress: '192.0.2.1' }).smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([{ status: 'deferred', dsn: '4.4.1' }]);
  });

  test('smtp_helo_name, smtp_never_send_ehlo', async () => {
    expect(await heard([], { heloName: 'other.example' })).toMatch(/^EHLO other\.example\r\n/);
    expect(await heard([], { neverSendEhlo: true })).toMatch(/^HELO client\.example\r\n/);
  });

  test('smtp_always_send_ehlo = no looks at the greeting', async () => {
    expect(await heard([], { alwaysSendEhlo: false })).toMatch(/^EHLO/);
    let text = '';
    const server = await scriptedServer(async (peer) => {
      peer.say('220 old.example\r\n');
      await peer.answer('250 old.example\r\n');
      await acceptMail(peer);
      text = peer.heard;
    });
    await client({ alwaysSendEhlo: false }).smtp.deliver({ ...mail, nexthop: server.nexthop });
    expect(text).toMatch(/^HELO/);
  });

  test('smtp_skip_5xx_greeting = no', async () => {
    const server = await scriptedServer(async (peer) => {
      peer.say('554 5.7.1 no\r\n');
      await peer.gone();
    });
    const report = await client({ skip5xxGreeting: false }).smtp.deliver({
      ...mail,
      nexthop: server.nexthop,
    });
    expect(report.recipients).toMatchObject([{ status: 'bounced', dsn: '5.7.1' }]);
  });

  test('smtp_skip_quit_response = no waits for the reply to QUIT', async () => {
    let endedBefore: boolean | null = null;
    const server = await scriptedServer(async (peer) => {
      await hello(peer, 'PIPELINING');
      await acceptMail(peer);
      await peer.hear();
      endedBefore = peer.ended;
      peer.say('221 bye\r\n');
      await peer.gone();
    });
    await client({ skipQuitResponse: false }).smtp.deliver({ ...mail, nexthop: server.nexthop });
    await server.done;
    expect(endedBefore).toBe(false);
  });

  test('smtp_line_length_limit breaks lines', async () => {
    const { nexthop, received } = await startSmtpd();
    await client({ lineLengthLimit: 10 }).smtp.deliver({
      ...mail,
      message: '0123456789abc\n',
      nexthop,
    });
    expect(received[0]?.content.toString()).toBe('0123456789\r\n abc\r\n');
  });

  test('smtp_per_request_deadline: a server that drips is given up', async () => {
    const server = await scriptedServer(async (peer) => {
      const drip = setInterval(() => peer.say('2'), 50);
      await peer.gone();
      clearInterval(drip);
    });
    const { smtp } = client({ perRequestDeadline: true, heloTimeout: 1000 });
    const report = await smtp.deliver({ ...mail, nexthop: server.nexthop });
    expect(report.recipients).toMatchObject([
      {
        dsn: '4.4.2',
        reply:
          'conversation with 127.0.0.1[127.0.0.1] timed out while receiving the initial server greeting',
      },
    ]);
  });
});
