/**
 * What an access table says, in the language of access(5): `OK`, `REJECT go away`, `450 4.7.1 later` ...
 *
 * Pure. Actions that Postfix carries out on its queue (`HOLD`, `DISCARD`, `FILTER` ...) have no counterpart here. They
 * and words that nobody knows are configuration errors: mail waits until the table is mended.
 */
import { type Reply, reply } from '../smtp/reply.js';

export type AccessAction =
  | { readonly kind: 'permit' | 'dunno' }
  | { readonly kind: 'reject' | 'defer-if-permit' | 'defer-if-reject'; readonly reply: Reply }
  | { readonly kind: 'warn' | 'info'; readonly text: string }
  /** `warning` is for the log. */
  | { readonly kind: 'error'; readonly warning: string };

/** The reply to what a broken table decides about. */
export const configurationError: Reply = reply(451, '4.3.5', 'Server configuration error');

const queueActions: ReadonlySet<string> = new Set([
  ...['BCC', 'DISCARD', 'FILTER', 'HOLD', 'PREPEND', 'REDIRECT'],
]);

/**
 * Reads one value of a table.
 *
 * @param what what was looked up, for replies: `<client.example.com>: Client certificate`
 */
export function parseAction(value: string, what: string): AccessAction {
  const [, word = '', rest = ''] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(value) ?? [];
  if (/^\d+$/.test(word)) {
    return numeric(word, rest, what);
  }
  switch (word.toUpperCase()) {
    case 'OK':
    case 'PERMIT':
      return { kind: 'permit' };
    case 'DUNNO':
      return { kind: 'dunno' };
    case 'REJECT':
      return { kind: 'reject', reply: refusal(554, rest, what) };
    case 'DEFER':
      return { kind: 'reject', reply: refusal(450, rest, what) };
    case 'DEFER_IF_PERMIT':
      return { kind: 'defer-if-permit', reply: refusal(450, rest, what, 'Service unavailable') };
    case 'DEFER_IF_REJECT':
      return { kind: 'defer-if-reject', reply: refusal(450, rest, what, 'Service unavailable') };
    case 'WARN':
      return { kind: 'warn', text: rest };
    case 'INFO':
      return { kind: 'info', text: rest };
    default:
      return { kind: 'error', warning: unusable(word) };
  }
}

/** Nothing but a number permits, as tables for other programs have it. */
function numeric(word: string, rest: string, what: string): AccessAction {
  if (/^[45]\d\d$/.test(word) && rest !== '') {
    return { kind: 'reject', reply: refusal(Number(word), rest, what) };
  }
  return rest === '' ? { kind: 'permit' } : { kind: 'error', warning: unusable(word) };
}

function unusable(word: string): string {
  return queueActions.has(word.toUpperCase())
    ? `access table action "${word.toUpperCase()}" is not supported`
    : `unknown smtpd restriction: "${word}"`;
}

function refusal(code: number, rest: string, what: string, otherwise = 'Access denied'): Reply {
  const [, status = '', text = ''] =
    /^([245]\.\d{1,3}\.\d{1,3}(?=\s|$))?\s*(.*)$/s.exec(rest) ?? [];
  const digit = Math.floor(code / 100);
  const enhanced = status === '' ? `${digit}.7.1` : fitted(status, digit);
  return reply(code, enhanced, `${what} rejected: ${text === '' ? otherwise : text}`);
}

/** The class is the code's; what is about an address (x.1.x) says nothing here (RFC 3463). */
function fitted(status: string, digit: number): string {
  const [, subject, detail] = status.split('.');
  return subject === '1' ? `${digit}.0.0` : `${digit}.${subject}.${detail}`;
}
