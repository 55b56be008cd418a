import { expect, test } from 'vitest';
import { parseAction } from '../../lib/smtpd/access-action.js';

const what = '<client.example.com>: Client certificate';
const refused = (code: number, enhanced: string, text: string): object => ({
  kind: 'reject',
  reply: { code, enhanced, text: `${what} rejected: ${text}` },
});

// As a real Postfix 3.10 replied to a client whose certificate had this entry.
test.each([
  ['REJECT', 554, '5.7.1', 'Access denied'],
  ['reject', 554, '5.7.1', 'Access denied'],
  ['REJECT go away', 554, '5.7.1', 'go away'],
  ['REJECT 5.7.99 with code', 554, '5.7.99', 'with code'],
  ['REJECT 4.7.1 odd', 554, '5.7.1', 'odd'],
  ['REJECT 5.1.1', 554, '5.0.0', 'Access denied'],
  ['450 4.1.1 later', 450, '4.0.0', 'later'],
  ['450 4.4.4 x', 450, '4.4.4', 'x'],
  ['550 5.1.9 x', 550, '5.0.0', 'x'],
  ['554 never', 554, '5.7.1', 'never'],
  ['550 5.7.27', 550, '5.7.27', 'Access denied'],
  ['421 4.7.0 bye', 421, '4.7.0', 'bye'],
  ['DEFER', 450, '4.7.1', 'Access denied'],
  ['DEFER not now', 450, '4.7.1', 'not now'],
  ['DEFER 4.7.99 with code', 450, '4.7.99', 'with code'],
])('%s: %d %s %s', (value, code, enhanced, text) => {
  expect(parseAction(value, what)).toEqual(refused(code, enhanced, text));
});

test.each([
  ['DEFER_IF_PERMIT', 'defer-if-permit', '4.7.1', 'Service unavailable'],
  ['DEFER_IF_PERMIT text', 'defer-if-permit', '4.7.1', 'text'],
  ['defer_if_permit 4.5.6 x', 'defer-if-permit', '4.5.6', 'x'],
  ['DEFER_IF_REJECT', 'defer-if-reject', '4.7.1', 'Service unavailable'],
])('%s: %s %s %s', (value, kind, enhanced, text) => {
  const reply = { code: 450, enhanced, text: `${what} rejected: ${text}` };
  expect(parseAction(value, what)).toEqual({ kind, reply });
});

test.each([
  ['OK', { kind: 'permit' }],
  ['ok whatever', { kind: 'permit' }],
  ['permit', { kind: 'permit' }],
  ['12345', { kind: 'permit' }],
  ['450', { kind: 'permit' }],
  [' DUNNO ', { kind: 'dunno' }],
  ['WARN some text', { kind: 'warn', text: 'some text' }],
  ['INFO', { kind: 'info', text: '' }],
])('%s', (value, action) => {
  expect(parseAction(value, what)).toEqual(action);
});

test.each([
  ['nonsense', 'unknown smtpd restriction: "nonsense"'],
  ['250 2.1.5 hm', 'unknown smtpd restriction: "250"'],
  ['99 x', 'unknown smtpd restriction: "99"'],
  ['', 'unknown smtpd restriction: ""'],
  ['hold please', 'access table action "HOLD" is not supported'],
  ['DISCARD', 'access table action "DISCARD" is not supported'],
  ['REDIRECT a@example.com', 'access table action "REDIRECT" is not supported'],
])('"%s" is an error: %s', (value, warning) => {
  expect(parseAction(value, what)).toEqual({ kind: 'error', warning });
});
