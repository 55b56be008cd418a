import { describe, expect, test } from 'vitest';
import { parseResolvConf, parseServers } from '../../lib/dns/servers.js';

describe('resolv.conf', () => {
  test('servers and the options that concern absolute names', () => {
    const text = [
      '# made by a program',
      'search example.com',
      'nameserver 192.0.2.1 # one',
      'nameserver 2001:db8::1',
      'options ndots:3 timeout:7 rotate',
      'options attempts:4',
    ].join('\n');
    expect(parseResolvConf(text)).toEqual({
      servers: [
        { address: '192.0.2.1', port: 53, trusted: false },
        { address: '2001:db8::1', port: 53, trusted: false },
      ],
      timeout: 7,
      attempts: 4,
      rotate: true,
    });
  });

  test('an empty one means this machine', () => {
    expect(parseResolvConf('')).toEqual({
      servers: [{ address: '127.0.0.1', port: 53, trusted: true }],
      timeout: 5,
      attempts: 2,
      rotate: false,
    });
  });

  test('trust-ad trusts every server', () => {
    const { servers } = parseResolvConf('nameserver 192.0.2.1\noptions trust-ad');
    expect(servers).toEqual([{ address: '192.0.2.1', port: 53, trusted: true }]);
  });

  test('three servers at most; what is no address is passed over', () => {
    const lines = ['x', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'];
    const { servers } = parseResolvConf(lines.map((line) => `nameserver ${line}\n`).join(''));
    expect(servers.map(({ address }) => address)).toEqual(lines.slice(1, 4));
  });

  test.each([
    ['timeout:0', { timeout: 1 }],
    ['timeout:99', { timeout: 30 }],
    ['timeout:x', { timeout: 5 }],
    ['attempts:9', { attempts: 5 }],
  ])('options %s', (option, expected) => {
    expect(parseResolvConf(`options ${option}`)).toMatchObject(expected);
  });

  test('beside a trusted server the others are not asked', () => {
    const { servers } = parseResolvConf('nameserver 192.0.2.1\nnameserver 127.0.0.53');
    expect(servers).toEqual([{ address: '127.0.0.53', port: 53, trusted: true }]);
  });
});

test.each([
  ['127.0.0.1:5353', { address: '127.0.0.1', port: 5353, trusted: true }],
  ['127.0.0.1', { address: '127.0.0.1', port: 53, trusted: true }],
  ['::1', { address: '::1', port: 53, trusted: true }],
  ['[::1]:5353', { address: '::1', port: 5353, trusted: true }],
  ['192.0.2.1:53', { address: '192.0.2.1', port: 53, trusted: false }],
])('the server %s', (text, expected) => {
  expect(parseServers([text], false)).toEqual([expected]);
});
