import { expect, test } from 'vitest';
import { type LogFlags, parseLoglevel, withUntrusted } from '../../lib/log/loglevel.js';

function on(flags: LogFlags): readonly string[] {
  return Object.entries(flags)
    .filter(([, value]) => value)
    .map(([name]) => name)
    .sort();
}

test.each([
  [0, []],
  ['none', []],
  ['', []],
  [1, ['summary']],
  ['Routine', ['summary']],
  ['2', ['cache', 'sslDebug', 'summary', 'verbose']],
  ['3', ['cache', 'handshakeDump', 'sslDebug', 'summary', 'verbose']],
  [4, ['cache', 'handshakeDump', 'sessionDump', 'sslDebug', 'summary', 'verbose']],
  ['ssl-developer', ['cache', 'handshakeDump', 'sessionDump', 'sslDebug', 'summary', 'verbose']],
  ['1, certmatch untrusted', ['certmatch', 'summary', 'untrusted']],
  ['ssl-session-packet-dump', ['handshakeDump', 'sessionDump']],
  ['0, peercert', ['peercert']],
  ['1, Trace', ['summary', 'trace']],
])('loglevel %s', (value, flags) => {
  expect(parseLoglevel(value)).toMatchObject({ warning: null });
  expect(on(parseLoglevel(value).flags)).toEqual(flags);
});

test.each(['1, vebrose', '10', '-1'])('"%s" is no logging at all, with a warning', (value) => {
  const { flags, warning } = parseLoglevel(value, 'smtp_tls_loglevel');
  expect(on(flags)).toEqual([]);
  expect(warning).toMatch(/^unknown smtp_tls_loglevel value "/);
});

test('untrusted is forced on beside the other flags', () => {
  expect(on(withUntrusted(parseLoglevel(1).flags))).toEqual(['summary', 'untrusted']);
});
