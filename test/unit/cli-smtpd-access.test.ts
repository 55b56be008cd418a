import { expect, test } from 'vitest';
import { accessFor } from '../../lib/cli/smtpd-access.js';

/** Does `mxtls smtpd` with these domains take mail for `address` from a client? */
function accepts(domains: readonly string[], client: string, address: string): boolean {
  const refusal = accessFor(domains)(client, { address, notify: [], orcpt: null });
  if (refusal !== undefined) {
    const text = `<${address}>: Relay access denied`;
    expect(refusal).toEqual({ code: 554, enhanced: '5.7.1', text });
  }
  return refusal === undefined;
}

test.each([
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['192.0.2.1', false],
  ['128.0.0.1', false],
  ['10.127.0.1', false],
  ['2001:db8::1', false],
  ['::2', false],
])('without a domain, a client at %s may send to anybody: %s', (client, accepted) => {
  expect(accepts([], client, 'b@example.com')).toBe(accepted);
  expect(accepts([], client, 'postmaster')).toBe(accepted);
});

test.each([
  ['b@example.com', true],
  ['b@EXAMPLE.Com', true],
  ['"b@elsewhere.example"@example.com', true],
  ['b@xn--bcher-kva.example', true],
  ['b@bücher.example', true],
  ['b@[192.0.2.25]', true],
  ['postmaster', true],
  ['PostMaster', true],
  ['b', false],
  ['b@sub.example.com', false],
  ['b@example.com.elsewhere.example', false],
  ['b%example.com@elsewhere.example', false],
  ['b@elsewhere.example', false],
])('with domains, mail for %s is welcome from anywhere: %s', (address, accepted) => {
  const domains = ['example.com.', 'Bücher.example', '[192.0.2.25]'];
  expect(accepts(domains, '192.0.2.1', address)).toBe(accepted);
  expect(accepts(domains, '127.0.0.1', address)).toBe(accepted);
});

test.each(['', '@example.com', 'user@example.com', 'example com', 'a..b', '<example.com>'])(
  '"%s" is no domain',
  (domain) => {
    expect(() => accessFor([domain])).toThrow(
      expect.objectContaining({ code: 'COMMAND_LINE', message: expect.stringContaining('domain') }),
    );
  },
);
