/** Session tickets of a server: whether, how long, by which cipher. */
import type { NativeContextProps } from '../native.js';
import { cacheTimeout } from './cache-timeout.js';
import type { ResolvedSmtpdTls } from './options.js';
import { ticketCipherUsable } from './probes.js';

export type TicketProps = Pick<
  NativeContextProps,
  'tickets' | 'ticketCipher' | 'sessionTimeout' | 'sessionIds'
>;

/** What OpenSSL makes tickets with when nobody tells it otherwise. */
const libraryCipher = 'aes-256-cbc';

/** @param warn gets Postfix's warning about a cipher that cannot be used */
export function ticketProps(options: ResolvedSmtpdTls, warn: (text: string) => void): TicketProps {
  const { sessionCacheTimeout, sessionTicketCipher, alwaysIssueSessionIds } = options;
  const own = sessionTicketCipher.toLowerCase() === libraryCipher ? null : sessionTicketCipher;
  const usable = own === null || (own !== '' && ticketCipherUsable(own));
  if (own !== null && own !== '' && !usable) {
    warn(`tls_session_ticket_cipher: invalid value: ${own}; session tickets disabled`);
  }
  return {
    tickets: sessionCacheTimeout > 0 && usable,
    ticketCipher: usable ? own : null,
    // A ticket is good for one period of its key and for the one in which the key is the former one.
    sessionTimeout: 2 * cacheTimeout(Math.ceil(sessionCacheTimeout / 1000)),
    sessionIds: alwaysIssueSessionIds,
  };
}
