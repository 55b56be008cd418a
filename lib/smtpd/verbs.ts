/** What is special about single commands, and what is none; the tables behind the dialogue. */
import type { Verb } from '../smtp/command.js';
import type { SessionLog } from './session-log.js';
import * as texts from './texts.js';

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
 * Another protocol's request (Postfix's smtpd_forbidden_commands), or a header field of a message whose
 * DATA command was refused.
 */
const foreign = /^(?:(?:CONNECT|GET|POST)$|[^A-Z]|[!-9;-~]+:)/i;

/** The reply to what is no command. */
export function unknownCommand(line: string, log: SessionLog): string {
  const word = /^\S*/.exec(line)?.[0] ?? '';
  if (word === '') {
    return texts.emptyLine;
  }
  if (foreign.test(word)) {
    log.foreign(line);
    return texts.goodbye;
  }
  return texts.unknownCommand;
}
