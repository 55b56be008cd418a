/** Lines about server names, in Postfix's words. */
import { expect, test } from 'vitest';
import { logNotices } from '../../lib/log/notices.js';
import { Lines } from '../helpers/lines.js';

test('each notice is a line', () => {
  const lines = new Lines();
  logNotices(
    lines,
    [
      { kind: 'sni-invalid', name: 'a b', later: '' },
      { kind: 'sni-unmatched', name: 'A.example', later: '' },
      { kind: 'sni-changed', name: 'A.example', later: 'b.example' },
    ],
    'unknown[192.0.2.1]',
  );
  logNotices(lines, null, 'unknown[192.0.2.1]');
  expect(lines.all).toEqual([
    'warning: TLS SNI from unknown[192.0.2.1] is invalid: a b',
    'TLS SNI A.example from unknown[192.0.2.1] not matched, using default chain',
    'warning: TLS SNI changed from unknown[192.0.2.1] initially A.example, b.example after hello retry',
  ]);
});

test('what a client cannot match is a warning', () => {
  const lines = new Lines();
  logNotices(
    lines,
    [
      { kind: 'tlsa-unusable', name: '3 5 9 00112233', later: '' },
      { kind: 'tlsa-none', name: '', later: '' },
      { kind: 'tlsa-fallback', name: '', later: '' },
      { kind: 'no-names', name: '', later: '' },
    ],
    'mx.example.com[192.0.2.1]:25',
  );
  expect(lines.all).toEqual([
    'warning: mx.example.com[192.0.2.1]:25: unusable TLSA RR: 3 5 9 00112233',
    'warning: mx.example.com[192.0.2.1]:25: all TLSA records unusable',
    'warning: mx.example.com[192.0.2.1]:25: all TLSA records unusable, fallback to unauthenticated TLS',
    'warning: mx.example.com[192.0.2.1]:25: could not configure peer name checks',
  ]);
});
