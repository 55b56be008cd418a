/** Callbacks that take their message slowly, in part, or not at all; by DATA and by BDAT, and at shutdown. */
import { describe, expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';

const envelope = ['MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>'] as const;
const content = Array.from({ length: 20_000 }, (_, i) => `${i} ${'x'.repeat(i % 200)}\r\n`).join(
  '',
);
const queued = /^250 2\.0\.0 Ok: (?:\d+ bytes )?queued as \w+$/;

const ways = [
  ['DATA', (text: string) => `DATA\r\n${text}.\r\n`],
  [
    'BDAT',
    (text: string) => {
      const half = text.slice(0, text.length / 2);
      const rest = text.slice(half.length);
      return `BDAT ${half.length}\r\n${half}BDAT ${rest.length} LAST\r\n${rest}`;
    },
  ],
] as const;

/** The reply to the message, after those to what comes before it. */
async function lastReply(client: RawClient, way: (text: string) => string): Promise<string> {
  client.send(way(content));
  await client.reply(); // 354, or the first chunk's
  return client.reply();
}

function gate(): { promise: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe.each(ways)('by %s', (_, way) => {
  test('one that takes a chunk per turn of the event loop gets the whole of it', async () => {
    let got = '';
    const { port } = await startSmtpd({
      onData: async (_session, message) => {
        for await (const chunk of message) {
          got += chunk.toString('latin1');
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    expect(await lastReply(client, way)).toMatch(queued);
    expect(got).toBe(content);
  });

  test('one that borrows its chunks has each until it asks for the next', async () => {
    const pieces: string[] = [];
    const { port } = await startSmtpd({
      requiretlsEsmtpHeader: true,
      onData: async (_session, message) => {
        for await (const chunk of message.borrowed()) {
          await new Promise((resolve) => setImmediate(resolve));
          pieces.push(chunk.toString('latin1'));
        }
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    expect(await lastReply(client, way)).toMatch(queued);
    expect(pieces.join('')).toBe(content);
    expect(pieces.some((piece) => piece.length > 16 * 1024)).toBe(true);
  });

  test.each([
    ['returns at once without reading', () => undefined],
    ['resolves later without reading', () => new Promise<void>((resolve) => setImmediate(resolve))],
  ])('one that %s has accepted the message', async (_name, onData) => {
    const { port, lines } = await startSmtpd({ onData });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    expect(await lastReply(client, way)).toMatch(queued);
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
    expect(lines.matching(/^error/)).toEqual([]);
  });

  test('one that throws in the middle of it: 451, a line in the log, and the connection goes on', async () => {
    const { port, lines } = await startSmtpd({
      onData: async (_session, message) => {
        for await (const _chunk of message) {
          throw new Error('disk full');
        }
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    client.send(way(content));
    const replies = [await client.reply(), await client.reply()];
    expect(replies).toContain('451 4.3.0 Error: local problem, try again later');
    expect((await client.commands('RSET', ...envelope)).at(-1)).toBe('250 2.1.5 Ok');
    expect(lines.matching(/^error: .*disk full/)).toHaveLength(1);
    expect(
      lines.matching(/reject: END-OF-MESSAGE from .*: 451 4\.3\.0 Error: local problem/),
    ).toHaveLength(1);
  });

  test('one that never settles holds nobody up when its client has gone', async () => {
    const { smtpd, port, lines } = await startSmtpd({
      onData: () => new Promise<void>(() => undefined),
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    client.send(way('x\r\n'));
    await client.reply();
    client.reset();
    await lines.line(/^disconnect/);
    expect(smtpd.connections).toBe(0);
  });

  test('a shutdown waits for a callback that has the message, and its reply is heard', async () => {
    const { promise, open } = gate();
    const started = gate();
    const { smtpd, port } = await startSmtpd({
      onData: async (_session, message) => {
        for await (const _chunk of message) {
          // all of it
        }
        started.open();
        await promise;
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    client.send(way(content));
    await client.reply();
    await started.promise;
    const closed = smtpd.close();
    open();
    expect(await client.reply()).toMatch(queued);
    expect(await client.reply()).toBe('421 4.3.2 mx.example.com Service shutting down');
    client.end();
    await closed;
  });

  test('a shutdown by force tells the callback that its message will not come', async () => {
    let failure: unknown = null;
    const told = gate();
    const begun = gate();
    const { smtpd, port } = await startSmtpd({
      onData: async (_session, message) => {
        begun.open();
        try {
          for await (const _chunk of message) {
            // as far as it comes
          }
        } catch (error) {
          failure = error;
        }
        told.open();
      },
    });
    const client = await RawClient.greeted(port);
    await client.commands(...envelope);
    client.send(way(content).slice(0, 1000));
    await begun.promise;
    await smtpd.close(true);
    await told.promise;
    expect(failure).toMatchObject({ class: 'closed', code: 'LOST_CONNECTION' });
  });
});

test('a callback about a recipient that settles after its client has gone changes nothing', async () => {
  const { promise, open } = gate();
  const asked = gate();
  const { port, lines } = await startSmtpd({
    onRcpt: async () => {
      asked.open();
      await promise;
      return { code: 550, enhanced: '5.1.1', text: 'no such user' };
    },
  });
  const client = await RawClient.greeted(port);
  client.send(`${envelope.join('\r\n')}\r\n`);
  await asked.promise;
  client.reset();
  await lines.line(/^disconnect/);
  open();
  const other = await RawClient.greeted(port);
  await other.command('NOOP');
  expect(lines.matching(/reject/)).toEqual([]);
});

describe('after its last word', () => {
  test.each([
    ['221', 'QUIT\r\n', '221 2.0.0 Bye\r\n'],
    ['421', 'FOO\r\n'.repeat(20), '421 4.7.0 mx.example.com Error: too many errors\r\n'],
  ])(
    '%s a client that neither hangs up nor falls silent is gone within seconds',
    async (_code, text, last) => {
      const { smtpd, port } = await startSmtpd();
      const client = await RawClient.greeted(port);
      client.send(text);
      expect((await client.rest()).endsWith(last)).toBe(true);
      const drip = setInterval(() => client.socket.writable && client.send('NOOP\r\n'), 200);
      const start = performance.now();
      await smtpd.close(); // waits for it
      clearInterval(drip);
      expect(performance.now() - start).toBeLessThan(4000);
      expect(smtpd.connections).toBe(0);
    },
  );

  test('a shutdown does not wait for a handshake that does not come', async () => {
    const tls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;
    const { smtpd, port } = await startSmtpd({ tls });
    const client = await RawClient.greeted(port);
    await client.command('STARTTLS');
    const start = performance.now();
    await smtpd.close();
    expect(performance.now() - start).toBeLessThan(4000);
  });
});
