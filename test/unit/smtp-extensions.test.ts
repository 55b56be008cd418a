import { expect, test } from 'vitest';
import { noFeatures, parseFeatures } from '../../lib/smtp/extensions.js';

test('reads what a server offers, in any case', () => {
  const lines = [
    'mx.example.com at your service',
    'pipelining',
    'SIZE 1000000',
    'STARTTLS',
    'AUTH plain LOGIN',
    'ENHANCEDSTATUSCODES',
    '8BITMIME',
    'DSN',
    'SMTPUTF8',
    'CHUNKING',
    'REQUIRETLS',
    'X-UNKNOWN 1',
    '',
  ];
  expect(parseFeatures(lines)).toEqual({
    name: 'mx.example.com',
    pipelining: true,
    starttls: true,
    size: 1000000,
    eightBitMime: true,
    smtputf8: true,
    dsn: true,
    chunking: true,
    requiretls: true,
    auth: ['PLAIN', 'LOGIN'],
  });
});

test.each([
  ['SIZE', 0],
  ['SIZE 0', 0],
  ['SIZE lots', 0],
  ['SIZE 12', 12],
  ['SIZE 12x', 0],
  ['SIZE 1234567890123456', 0],
  [' size\t 12 34 ', 12],
])('%s is a limit of %i', (line, size) => {
  expect(parseFeatures(['mx', line]).size).toBe(size);
});

test('the first line is a name, not a keyword', () => {
  expect(parseFeatures(['STARTTLS'])).toEqual(noFeatures('STARTTLS'));
});

test('mechanisms and keywords may be apart by any blanks; what is discarded is not heeded, in any case', () => {
  const lines = ['mx', 'AUTH  plain\tLOGIN ', 'DSN'];
  expect(parseFeatures(lines, ['dsn'])).toMatchObject({ auth: ['PLAIN', 'LOGIN'], dsn: false });
  expect(parseFeatures(['mx', 'AUTH']).auth).toEqual([]);
});
