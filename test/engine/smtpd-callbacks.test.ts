/** What callbacks of the smtpd engine may do, and what the client sees of it. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { TlsError } from '../../lib/errors.js';
import type { SmtpdSession } from '../../lib/smtpd/handlers.js';
import { RawClient } from '../helpers/raw-client.js';
import { collect, startSmtpd } from '../helpers/servers.js';

const envelope = ['MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>'] as const;

/** A promise with its ends outside. */
function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('replies of callbacks', () => {
  test.each([
    ['synchronous', <T>(value: T) => value],
    ['asynchronous', async <T>(value: T) => value],
  ])('%s: each is sent in place of the default', async (_, wrap) => {
    const { port } = await startSmtpd({
      onMail: (_session, { address }) =>
        wrap(
          address === 'bad@example.org' ? { code: 550, enhanced: '5.7.1', text: 'no' } : undefined,
        ),
      onRcpt: (_session, { address }) =>
        wrap({ code: address.startsWith('x') ? 450 : 251, text: `for ${address}` }),
      onData: () => wrap({ code: 554, enhanced: '5.6.0', text: 'two\nlines' }),
    });
    const client = await RawClient.greeted(port);
    expect(
      await client.commands(
        'MAIL FROM:<bad@example.org>',
        'RCPT TO:<b@example.com>',
        'MAIL FROM:<good@example.org>',
        'RCPT TO:<x@example.com>',
        'DATA',
        'RCPT TO:<y@example.com>',
        'DATA',
        'content\r\n.',
      ),
    ).toEqual([
      '550 5.7.1 no',
      '503 5.5.1 Error: need MAIL command',
      '250 2.1.0 Ok',
      '450 for x@example.com',
      '554 5.5.1 Error: no valid recipients',
      '251 for y@example.com',
      '354 End data with <CR><LF>.<CR><LF>',
      '554-5.6.0 two\n554 5.6.0 lines',
    ]);
  });

  test('onConnect may send the client away', async () => {
    const { port, lines } = await startSmtpd({
      onConnect: () => ({ code: 554, enhanced: '5.7.1', text: 'mx.example.com no service' }),
    });
    const client = await RawClient.connect(port);
    expect(await client.rest()).toBe('554 5.7.1 mx.example.com no service\r\n');
    client.end();
    expect(await lines.line(/^disconnect/)).toBe('disconnect from unknown[127.0.0.1] commands=0/0');
  });

  test('onConnect may take its time; what the client has said meanwhile is not lost', async () => {
    const { promise, open } = gate();
    const { port } = await startSmtpd({ onConnect: () => promise });
    const client = await RawClient.connect(port);
    client.send('EHLO x\r\nQUIT\r\n');
    open();
    expect((await client.rest()).match(/^\d{3} /gm)).toEqual(['220 ', '250 ', '221 ']);
  });

  test('a 421 of a callback ends the connection, with what was pipelined behind it', async () => {
    const { port } = await startSmtpd({
      onRcpt: () => ({ code: 421, enhanced: '4.3.2', text: 'mx.example.com come back later' }),
    });
    const client = await RawClient.greeted(port);
    client.send(`${envelope.join('\r\n')}\r\nDATA\r\n`);
    expect(await client.rest()).toBe(
      '250 2.1.0 Ok\r\n421 4.3.2 mx.example.com come back later\r\n',
    );
  });

  test('the client name of the hook is in every line', async () => {
    const { port, lines } = await startSmtpd({
      resolveClientName: async (address) => `client-of-${address}.example`,
    });
    const client = await RawClient.greeted(port);
    client.reset();
    expect(await lines.line(/^disconnect/)).toContain('client-of-127.0.0.1.example[127.0.0.1]');
  });

  test('a hook that fails leaves the client unknown', async () => {
    const { port, lines } = await startSmtpd({
      resolveClientName: () => Promise.reject(new Error('no resolver')),
    });
    const client = await RawClient.greeted(port);
    await client.command('QUIT');
    expect(await lines.line(/a callback failed/)).toContain('no resolver');
    expect(await lines.line(/^connect from/)).toBe('connect from unknown[127.0.0.1]');
  });
});

describe('callbacks that throw', () => {
  const local = '451 4.3.0 Error: local problem, try again later';

  test.each([
    [
      'throws',
      () => {
        throw new Error('on purpose');
      },
    ],
    ['rejects', () => Promise.reject(new Error('on purpose'))],
    ['rejects with what is no error', () => Promise.reject('on purpose')],
  ])('%s: a 451, a line in the log, and the connection goes on', async (_, fail) => {
    const broken = { onMail: true, onRcpt: true, onData: true };
    const failing = (name: keyof typeof broken) => () => {
      if (broken[name]) {
        broken[name] = false;
        return fail();
      }
      return undefined;
    };
    const { port, lines } = await startSmtpd({
      onMail: failing('onMail'),
      onRcpt: failing('onRcpt'),
      onData: failing('onData'),
    });
    const client = await RawClient.greeted(port);
    const [mail, rcpt] = envelope;
    expect(await client.commands(mail, mail, rcpt, rcpt, 'DATA', 'x\r\n.', mail)).toEqual([
      local,
      '250 2.1.0 Ok',
      local,
      '250 2.1.5 Ok',
      '354 End data with <CR><LF>.<CR><LF>',
      local,
      '250 2.1.0 Ok',
    ]);
    expect(
      lines.matching(/^error: .*a callback failed for unknown\[127\.0\.0\.1\]: .*on purpose/),
    ).toHaveLength(3);
  });

  test('an answer that is no reply is a failure of the callback', async () => {
    const answers = [{ code: 250, enhanced: '5.0.0', text: 'x' }, { code: 99, text: 'x' }, 'yes'];
    const { port, lines } = await startSmtpd({ onMail: () => answers.shift() as undefined });
    const client = await RawClient.greeted(port);
    const [mail] = envelope;
    expect(await client.commands(mail, mail, mail)).toEqual([local, local, local]);
    expect(lines.matching(/^error:/)).toEqual([
      expect.stringContaining('enhanced status code "5.0.0" does not suit reply code 250'),
      expect.stringContaining('reply code 99 is not between 200 and 599'),
      expect.stringContaining('the answer is not a reply'),
    ]);
  });

  test('a greeting callback that throws ends the connection with a 451', async () => {
    const { port } = await startSmtpd({
      onConnect: () => {
        throw new Error('on purpose');
      },
    });
    const client = await RawClient.connect(port);
    expect(await client.rest()).toBe(`${local}\r\n`);
  });
});

describe('the message', () => {
  test('nothing is acknowledged before the callback has resolved', async () => {
    const { promise, open } = gate();
    const whole = gate();
    const { port } = await startSmtpd({
      onData: async (_session, message) => {
        await collect(message);
        whole.open();
        await promise;
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA');
    client.send('x\r\n.\r\nNOOP\r\n');
    await whole.promise;
    const reply = client.reply();
    let replied = false;
    reply.then(() => {
      replied = true;
    });
    // A full round of the event loop through the same server and nothing has come.
    const other = await RawClient.greeted(port);
    await other.command('NOOP');
    expect(replied).toBe(false);
    open();
    expect(await reply).toMatch(/^250 2\.0\.0 Ok: queued as/);
    expect(await client.reply()).toBe('250 2.0.0 Ok');
  });

  test('a callback that does not read its message stops the client', async () => {
    const { promise, open } = gate();
    const content = Buffer.from(`${'z'.repeat(98)}\r\n`.repeat(320_000));
    let bytes = 0;
    const { port } = await startSmtpd({
      messageSizeLimit: 0,
      onData: async (_session, message) => {
        await promise;
        bytes = message.bytes;
        for await (const _ of message) {
          // now it may come
        }
        return { code: 250, text: String(message.bytes) };
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA');
    client.send(content);
    client.send('.\r\n');
    // The socket is full in both directions when the client's kernel has taken all it can.
    const { socket } = client;
    for (let before = -1; before !== socket.bytesWritten - socket.writableLength; ) {
      before = socket.bytesWritten - socket.writableLength;
      const other = await RawClient.greeted(port);
      await other.command('NOOP');
    }
    expect(socket.writableLength).toBeGreaterThan(0);
    open();
    await once(socket, 'drain');
    expect(await client.reply()).toBe(`250 ${content.length}`);
    expect(bytes).toBeLessThan(1024 * 1024);
  });

  test('a callback that is through early does not see the rest, and the client is answered at the end', async () => {
    const { port } = await startSmtpd({
      onData: async (_session, message) => {
        for await (const _ of message) {
          break;
        }
        return { code: 550, enhanced: '5.6.0', text: 'seen enough' };
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA');
    client.send(`${'y'.repeat(998)}\r\n`.repeat(5000));
    expect(await client.command('.')).toBe('550 5.6.0 seen enough');
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
  });

  test('the iteration throws when the client goes away: half a message is never whole', async () => {
    const failure = gate<unknown>();
    const { port, lines } = await startSmtpd({
      onData: async (_session, message) => {
        await collect(message).catch(failure.open);
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA');
    client.send('half a mess');
    client.reset();
    expect(await failure.promise).toMatchObject({ class: 'closed', code: 'LOST_CONNECTION' });
    expect(await lines.line(/lost connection/)).toMatch(
      /^[0-9A-F]+: lost connection after DATA \(\d+ bytes\) from unknown\[127\.0\.0\.1\]$/,
    );
    expect(await lines.line(/^disconnect/)).toContain('mail=1 rcpt=1 data=0/1 commands=2/3');
  });

  test('a message can be iterated once', async () => {
    const failure = gate<unknown>();
    const { port } = await startSmtpd({
      onData: async (_session, message) => {
        await collect(message);
        await collect(message).catch(failure.open);
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope, 'DATA', 'x\r\n.');
    expect(await failure.promise).toMatchObject({ class: 'usage', code: 'INVALID_STATE' });
  });

  test('a client that goes away while the callback works is no failure of the callback', async () => {
    const { promise, open } = gate();
    const called = gate();
    const { port, lines } = await startSmtpd({
      onRcpt: async () => {
        called.open();
        await promise;
      },
    });
    const client = await RawClient.greeted(port);
    client.send(`${envelope.join('\r\n')}\r\n`);
    await called.promise;
    client.reset();
    open();
    expect(await lines.line(/^disconnect/)).toContain('mail=1');
    expect(lines.matching(/^error:/)).toEqual([]);
  });
});

test('a session tells what the client said', async () => {
  const seen: Partial<SmtpdSession>[] = [];
  const { port } = await startSmtpd({
    onData: async (session, message) => {
      await collect(message);
      const { helo, protocol, sender, recipients, tls, clientName, namaddr } = session;
      seen.push({ helo, protocol, sender, recipients, tls, clientName, namaddr });
      expect(session.localPort).toBe(port);
    },
  });
  const client = await RawClient.greeted(port);
  await client.commands('EHLO me.example', 'MAIL FROM:<a@example.org> BODY=8BITMIME SIZE=3');
  await client.commands('RCPT TO:<b@example.com>', 'DATA', 'x\r\n.');
  expect(seen).toEqual([
    {
      helo: 'me.example',
      protocol: 'ESMTP',
      sender: {
        address: 'a@example.org',
        size: 3,
        body: '8BITMIME',
        smtputf8: false,
        requiretls: false,
        ret: null,
        envid: null,
        auth: null,
      },
      recipients: [{ address: 'b@example.com', notify: [], orcpt: null }],
      tls: null,
      clientName: 'unknown',
      namaddr: 'unknown[127.0.0.1]',
    },
  ]);
});

describe('construction', () => {
  test.each<[object, string, RegExp]>([
    [{}, 'INVALID_ARGUMENT', /onData is missing/],
    [{ onData: 7 }, 'INVALID_ARGUMENT', /onData is not a function/],
    [{ onData: () => undefined, onRcpt: {} }, 'INVALID_ARGUMENT', /onRcpt is not a function/],
    [
      { onData: () => undefined, onRcptt: () => undefined },
      'UNKNOWN_OPTION',
      /did you mean "onRcpt"/,
    ],
  ])('%j is refused', async (options, code, message) => {
    const { Smtpd } = await import('../../lib/server.js');
    try {
      new Smtpd(options as never);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(TlsError);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    }
  });
});
