/** Addresses of a Valkey or Redis, and what is kept in it. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseRedisAddress } from '../../lib/session-cache/redis-address.js';
import { Sealer } from '../../lib/session-cache/sealer.js';

const plain = {
  ...{ master: null, tls: false, username: null, password: null, database: 0 },
  ...{ wrappingKeyFile: null, caFile: null, prefix: 'mxtls' },
};

test.each([
  ['redis://cache', { hosts: [{ host: 'cache', port: 6379 }], shown: 'redis://cache' }],
  ['redis://[::1]:7000/3', { hosts: [{ host: '::1', port: 7000 }], database: 3 }],
  [
    'rediss://u:p%40ss@cache:1',
    { tls: true, username: 'u', password: 'p@ss', shown: 'rediss://cache:1' },
  ],
  ['redis://:secret@cache', { username: null, password: 'secret', shown: 'redis://cache' }],
  [
    'redis-sentinel://a,b:5/mx/2?wrapping-key=/etc/k&prefix=x&ca=/etc/ca.pem',
    {
      hosts: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 5 },
      ],
      ...{
        master: 'mx',
        database: 2,
        wrappingKeyFile: '/etc/k',
        prefix: 'x',
        caFile: '/etc/ca.pem',
      },
    },
  ],
])('%s', (text, expected) => {
  expect(parseRedisAddress(text)).toMatchObject({ ...plain, ...expected });
});

test.each([
  ['redis:', 'another form'],
  ['redis://', 'another form'],
  ['redis://cache:99999', 'HOST:PORT'],
  ['redis://cache/x', 'no number'],
  ['redis://cache/1/2', 'no number'],
  ['redis://u:%zz@cache', 'percent-encoded'],
  ['redis-sentinel://a,b', 'a name'],
  ['redis://cache?wraping-key=x', 'no "wraping-key"'],
])('%s cannot be read, and its password is not repeated', (text, why) => {
  expect(() => parseRedisAddress(text)).toThrow(
    expect.objectContaining({ code: 'INVALID_PARAMETER', message: expect.stringContaining(why) }),
  );
});

const key = randomBytes(32);
const session = randomBytes(300);

test('what was sealed is opened under the same key and id alone', () => {
  const sealed = new Sealer(key).seal('a', session);
  expect(new Sealer(key).open('a', sealed)).toEqual(session);
  expect(new Sealer(key).open('b', sealed)).toBeNull();
  expect(new Sealer(randomBytes(32)).open('a', sealed)).toBeNull();
  expect(sealed.includes(session.subarray(0, 16))).toBe(false);
  for (let at = 0; at < sealed.length; at += 7) {
    const altered = Buffer.from(sealed);
    altered[at] = (altered[at] ?? 0) ^ 1;
    expect(new Sealer(key).open('a', altered)).toBeNull();
  }
  for (const length of [0, 11, 27, sealed.length - 1]) {
    expect(new Sealer(key).open('a', sealed.subarray(0, length))).toBeNull();
  }
});

test('sealed twice it is other bytes; the name of an id is the same, and tells nothing', () => {
  const sealer = new Sealer(key);
  expect(sealer.seal('a', session)).not.toEqual(sealer.seal('a', session));
  expect(sealer.name('mx.example.com')).toBe(new Sealer(key).name('mx.example.com'));
  expect(sealer.name('a')).toMatch(/^[0-9a-f]{64}$/);
});

test('a wrapping key of another length is refused', async () => {
  expect(() => new Sealer(randomBytes(16))).toThrow(
    expect.objectContaining({ class: 'config', code: 'WRAPPING_KEY' }),
  );
  await expect(Sealer.fromFile('/nowhere/key')).rejects.toMatchObject({ code: 'WRAPPING_KEY' });
});
