import { expect, test } from 'vitest';
import { parseProtocols } from '../../lib/tls/protocols.js';

test.each([
  ['', -1, -1, 0],
  [' , ', -1, -1, 0],
  ['>=TLSv1.2', 0x303, 0, 0],
  ['>=TLSv1, <=0304', 0x301, 0x304, 0],
  ['<=0x303', 0, 0x303, 0],
  ['>=none <=NONE', 0, 0, 0],
  ['>=TLSv1 >=TLSv1.2:<=TLSv1.3', 0x303, 0x304, 0],
  ['!SSLv2, !SSLv3, !TLSv1', 0, 0, 1 | 2],
  ['!tlsV1.1', 0, 0, 4],
  ['TLSv1.2 TLSv1.3', 0, 0, 1 | 2 | 4],
  ['TLSv1.2 !TLSv1.2', 0, 0, 31],
  ['SSLv2', 0, 0, 0],
  ['SSLv2 TLSv1.2', 0, 0, 1 | 2 | 4 | 16],
  ['>=TLSv1.2 !TLSv1.3', 0x303, 0, 16],
  ['>=7fffffff', 0x7fffffff, 0, 0],
])('"%s" is floor %i, ceiling %i, exclude %i', (spec, floor, ceiling, exclude) => {
  expect(parseProtocols(spec)).toEqual({ floor, ceiling, exclude });
});

test.each([
  'TLSv1.4',
  '!TLS',
  '>=',
  '<=',
  '>= TLSv1.2',
  '>=SSLv2',
  '>=0x',
  '>=80000000',
  '>=3.0',
  '>TLSv1.2',
  '!',
  'TLSv1.2 nonsense',
])('"%s" is wrong as a whole', (spec) => {
  expect(() => parseProtocols(spec, 'smtp_tls_protocols')).toThrow(
    expect.objectContaining({ class: 'usage', code: 'INVALID_PARAMETER' }),
  );
});

test('the error names the parameter, the list and the word', () => {
  expect(() => parseProtocols('>=TLSv1.2 !foo', 'smtp_tls_protocols')).toThrow(
    /^smtp_tls_protocols: Invalid TLS protocol list ">=TLSv1.2 !foo"; "!foo" is no protocol: write a range/,
  );
});
