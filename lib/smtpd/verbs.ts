/** What is special about single commands; the tables behind the dialogue. */
import type { Verb } from '../smtp/command.js';

type Verbs = ReadonlySet<Verb | null>;

/** May come before STARTTLS where TLS is mandatory. */
export const beforeTls: Verbs = new Set<Verb | null>([
  'HELO',
  'EHLO',
  'STARTTLS',
  'NOOP',
  'QUIT',
  'HELP',
]);

/**
 * Have to be the last of a group (RFC 2920 section 3.1). STARTTLS is dealt with in another way: what
 * stands behind it is thrown away.
 */
export const lastInGroup: Verbs = new Set<Verb | null>(['HELO', 'EHLO', 'DATA', 'NOOP', 'VRFY']);

/** Deliver nothing. */
export const junk: Verbs = new Set<Verb | null>(['HELO', 'EHLO', 'RSET', 'NOOP', 'VRFY']);

/**
 * Where a command has to be: another protocol's request (Postfix's smtpd_forbidden_commands), or a
 * header field of a message whose DATA command was refused.
 */
export function isForeign(word: string): boolean {
  return /^(?:(?:CONNECT|GET|POST)$|[^A-Z]|[!-9;-~]+:)/i.test(word);
}
