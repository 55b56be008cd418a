import { describe, expect, test } from 'vitest';
import { CommandCount } from '../../lib/smtpd/command-count.js';
import { ConnectionCount } from '../../lib/smtpd/connection-count.js';
import { IncomingMessage } from '../../lib/smtpd/incoming-message.js';
import { NetworkList } from '../../lib/smtpd/network-list.js';
import { TlsError } from '../../lib/errors.js';

describe('CommandCount', () => {
  test('tells what was accepted and what came, in Postfix order', () => {
    const count = new CommandCount();
    for (const verb of ['QUIT', 'EHLO', 'RCPT', 'MAIL', 'STARTTLS', 'EHLO'] as const) {
      count.add(verb, true);
    }
    count.add('RCPT', false);
    count.add(null, false);
    expect(String(count)).toBe('ehlo=2 starttls=1 mail=1 rcpt=1/2 quit=1 unknown=0/1 commands=6/8');
  });

  test('nothing at all', () => {
    expect(String(new CommandCount())).toBe('commands=0/0');
  });
});

describe('NetworkList', () => {
  test.each([
    ['127.0.0.0/8', '127.1.2.3', true],
    ['127.0.0.0/8', '128.0.0.1', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['[::1]/128', '::1', true],
    ['[2001:db8::]/32', '2001:db8:1::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['127.0.0.0/8', 'not an address', false],
  ])('%s has %s: %s', (pattern, address, member) => {
    expect(new NetworkList([pattern]).has(address)).toBe(member);
  });

  test('the first match decides, ! excludes', () => {
    const list = new NetworkList(['!192.0.2.7', '192.0.2.0/24']);
    expect([list.has('192.0.2.7'), list.has('192.0.2.8')]).toEqual([false, true]);
  });

  test.each(['', 'localhost', '1.2.3.4/33', '[::1', '/etc/networks', '1.2.3/8'])(
    '%j is not a network',
    (pattern) => {
      expect(() => new NetworkList([pattern])).toThrow(TlsError);
    },
  );
});

describe('ConnectionCount', () => {
  test('counts by address, and lets go', () => {
    const count = new ConnectionCount(1, ['127.0.0.0/8']);
    expect([count.add('192.0.2.1'), count.add('192.0.2.2'), count.add('192.0.2.1')]).toEqual([
      null,
      null,
      2,
    ]);
    count.remove('192.0.2.1');
    count.remove('192.0.2.1');
    expect(count.add('192.0.2.1')).toBeNull();
    expect([count.add('127.0.0.1'), count.add('127.0.0.1')]).toEqual([null, null]);
  });
});

describe('IncomingMessage', () => {
  test('gives chunks in order, then ends', async () => {
    const message = new IncomingMessage(() => undefined);
    message.push(Buffer.from('a'));
    const texts: string[] = [];
    const reading = (async () => {
      for await (const chunk of message) {
        texts.push(chunk.toString());
      }
    })();
    message.push(Buffer.from('b'));
    await Promise.resolve();
    message.push(Buffer.from('c'));
    message.end();
    await reading;
    expect(texts).toEqual(['a', 'b', 'c']);
    expect(message.bytes).toBe(3);
  });

  test('says when it is full, and when there is room again', async () => {
    let rooms = 0;
    const message = new IncomingMessage(() => rooms++);
    const chunk = Buffer.alloc(60_000);
    expect([message.push(chunk), message.push(chunk), message.push(chunk)]).toEqual([
      true,
      true,
      false,
    ]);
    const iterator = message[Symbol.asyncIterator]();
    await iterator.next();
    expect(rooms).toBe(0);
    await iterator.next();
    expect(rooms).toBe(1);
  });

  test('a failure reaches whoever waits, and whoever comes later', async () => {
    const message = new IncomingMessage(() => undefined);
    const iterator = message[Symbol.asyncIterator]();
    const waiting = iterator.next();
    message.fail(new TlsError({ code: 'LOST_CONNECTION' }));
    await expect(waiting).rejects.toMatchObject({ code: 'LOST_CONNECTION' });
    await expect(iterator.next()).rejects.toMatchObject({ code: 'LOST_CONNECTION' });
  });

  test('a message that is complete cannot fail any more', async () => {
    const message = new IncomingMessage(() => undefined);
    message.push(Buffer.from('x'));
    message.end();
    message.fail(new TlsError({ code: 'LOST_CONNECTION' }));
    const iterator = message[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: Buffer.from('x') });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('a chunk that is lent has its memory used again when the next is asked for, not before', async () => {
    const message = new IncomingMessage(() => undefined);
    const iterator = message.borrowed()[Symbol.asyncIterator]();
    const first = message.memory(20_000);
    message.push(first.subarray(0, 20_000));
    await iterator.next();
    const second = message.memory(20_000);
    expect(second.buffer).not.toBe(first.buffer);
    message.push(second.subarray(0, 20_000));
    await iterator.next();
    expect(message.memory(20_000).buffer).toBe(first.buffer);
  });

  test('a chunk that is not lent keeps its memory', async () => {
    const message = new IncomingMessage(() => undefined);
    const iterator = message[Symbol.asyncIterator]();
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 20; i++) {
      const chunk = message.memory(20_000);
      seen.add(chunk.buffer);
      message.push(chunk);
      await iterator.next();
    }
    expect(seen.size).toBe(20);
  });

  test('a message can be read once, lent or not', () => {
    const message = new IncomingMessage(() => undefined);
    message.borrowed();
    expect(() => message.borrowed()).toThrow(expect.objectContaining({ code: 'INVALID_STATE' }));
    expect(() => message[Symbol.asyncIterator]()).toThrow(
      expect.objectContaining({ code: 'INVALID_STATE' }),
    );
  });

  test('one next() at a time', async () => {
    const message = new IncomingMessage(() => undefined);
    const iterator = message[Symbol.asyncIterator]();
    const first = iterator.next();
    await expect(iterator.next()).rejects.toMatchObject({ code: 'INVALID_STATE' });
    message.end();
    await first;
  });

  test('leaving the loop makes room and wants nothing more', async () => {
    let rooms = 0;
    const message = new IncomingMessage(() => rooms++);
    message.push(Buffer.alloc(200_000));
    for await (const _ of message) {
      message.push(Buffer.alloc(200_000));
      break;
    }
    expect(message.wanted).toBe(false);
    expect(rooms).toBe(2);
    expect(message.push(Buffer.alloc(200_000))).toBe(true);
  });
});
