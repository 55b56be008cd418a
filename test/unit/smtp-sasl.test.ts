import { describe, expect, test } from 'vitest';
import { plainResponse, SaslExchange } from '../../lib/smtp/sasl.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('PLAIN', () => {
  test.each([
    [base64('\0user\0secret'), { username: 'user', password: 'secret', authzid: '' }],
    [base64('other\0user\0secret'), { username: 'user', password: 'secret', authzid: 'other' }],
    [base64('\0grüße\0pässe'), { username: 'grüße', password: 'pässe', authzid: '' }],
    [plainResponse('user', 'secret'), { username: 'user', password: 'secret', authzid: '' }],
  ])('%s', (response, credentials) => {
    const expected = { credentials: { mechanism: 'PLAIN', ...credentials } };
    expect(new SaslExchange('PLAIN').begin(response)).toEqual(expected);
    const slow = new SaslExchange('PLAIN');
    expect(slow.begin(null)).toEqual({ challenge: '' });
    expect(slow.respond(response)).toEqual(expected);
  });

  test.each([
    '=',
    '',
    base64('user\0secret'),
    base64('\0\0secret'),
    base64('\0user\0'),
    base64('\0user\0secret\0more'),
    Buffer.from([0, 0xff, 0, 0xff]).toString('base64'),
  ])('%j is malformed', (response) => {
    expect(new SaslExchange('PLAIN').begin(response)).toEqual({ refused: 'malformed' });
  });

  test.each(['abc', 'ab=c', 'a b', '!!!!'])('%j is not base64', (response) => {
    expect(new SaslExchange('PLAIN').begin(response)).toEqual({ refused: 'base64' });
  });

  test('* gives up', () => {
    const exchange = new SaslExchange('PLAIN');
    exchange.begin(null);
    expect(exchange.respond('*')).toEqual({ refused: 'aborted' });
  });
});

describe('LOGIN', () => {
  test('asks twice', () => {
    const exchange = new SaslExchange('LOGIN');
    expect(exchange.begin(null)).toEqual({ challenge: base64('Username:') });
    expect(exchange.respond(base64('user'))).toEqual({ challenge: base64('Password:') });
    expect(exchange.respond(base64('secret'))).toEqual({
      credentials: { mechanism: 'LOGIN', username: 'user', password: 'secret', authzid: '' },
    });
  });

  test.each(['', base64('a\0b'), '*'])('%j ends it', (response) => {
    const exchange = new SaslExchange('LOGIN');
    exchange.begin(null);
    expect(exchange.respond(response)).toHaveProperty('refused');
  });
});

describe('EXTERNAL', () => {
  test.each([
    ['=', ''],
    [base64('user@example.com'), 'user@example.com'],
  ])('%s at once', (initial, authzid) => {
    expect(new SaslExchange('EXTERNAL').begin(initial)).toEqual({
      credentials: { mechanism: 'EXTERNAL', authzid },
    });
  });

  // RFC 4954 section 4: a response of no length is an empty line.
  test.each([
    ['', ''],
    [base64('user'), 'user'],
  ])('"%s" to an empty challenge', (response, authzid) => {
    const exchange = new SaslExchange('EXTERNAL');
    expect(exchange.begin(null)).toEqual({ challenge: '' });
    expect(exchange.respond(response)).toEqual({
      credentials: { mechanism: 'EXTERNAL', authzid },
    });
  });

  test('a NUL, what is no base64, and * end it', () => {
    const begin = (text: string) => new SaslExchange('EXTERNAL').begin(text);
    expect(begin(base64('a\0b'))).toEqual({ refused: 'malformed' });
    expect(begin('!')).toEqual({ refused: 'base64' });
    expect(begin('*')).toEqual({ refused: 'aborted' });
  });
});
