/** Session tickets of a server: whether, how long, by which cipher. */
import type { QuestionHandler } from '../dispatch.js';
import type { NativeContextProps, NativeTicketRing } from '../native.js';
import { cacheTimeout } from './cache-timeout.js';
import type { ResolvedSmtpdTls } from './options.js';
import { ticketCipherUsable } from './probes.js';

export type TicketProps = Pick<
  NativeContextProps,
  'tickets' | 'ticketRing' | 'ticketCipher' | 'sessionTimeout' | 'sessionIds'
>;

/** The keys of tickets, and whom to ask for those that are not among them. */
export interface ServerTickets {
  readonly ring: NativeTicketRing;
  readonly ask: QuestionHandler | null;
}

/** What OpenSSL makes tickets with when nobody tells it otherwise. */
const libraryCipher = 'aes-256-cbc';

/** Whether there are any, if the cipher can make them. */
export function wantsTickets(
  options: Pick<ResolvedSmtpdTls, 'sessionCacheTimeout' | 'sessionTicketCipher'>,
): boolean {
  return options.sessionCacheTimeout > 0 && options.sessionTicketCipher !== '';
}

/**
 * @param keys null: each context has keys of its own
 * @param warn gets Postfix's warning about a cipher that cannot be used
 */
export function ticketProps(
  options: ResolvedSmtpdTls,
  keys: ServerTickets | null,
  warn: (text: string) => void,
): TicketProps {
  const { sessionCacheTimeout, sessionTicketCipher, alwaysIssueSessionIds } = options;
  const own = sessionTicketCipher.toLowerCase() === libraryCipher ? null : sessionTicketCipher;
  const usable = own === null || (own !== '' && ticketCipherUsable(own));
  if (own !== '' && !usable) {
    warn(`tls_session_ticket_cipher: invalid value: ${own}; session tickets disabled`);
  }
  return {
    tickets: wantsTickets(options) && usable,
    ticketRing: keys?.ring ?? null,
    ticketCipher: usable ? own : null,
    sessionTimeout: sessionSeconds(sessionCacheTimeout),
    sessionIds: alwaysIssueSessionIds,
  };
}

/** A ticket is good for one period of its key and for the one in which the key is the former one. */
function sessionSeconds(sessionCacheTimeout: number): number {
  return 2 * cacheTimeout(Math.ceil(sessionCacheTimeout / 1000));
}
