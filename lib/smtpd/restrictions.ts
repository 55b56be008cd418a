/**
 * Lists of restrictions, as in `smtpd_recipient_restrictions`: each may permit, refuse or have nothing to say, and the
 * first that decides is the last that is asked. A list that comes to its end permits.
 */
import type { Recipient, Sender } from '../smtp/envelope.js';
import type { Reply } from '../smtp/reply.js';
import { ClientView } from './client-view.js';
import type { SmtpdSession } from './handlers.js';

/** Refuses what would be permitted, or what would be refused for good, for the time being. */
export interface Deferral {
  readonly deferIf: 'permit' | 'reject';
  readonly reply: Reply;
}

/** `permit` and a reply decide; the rest goes on with the list. */
export type Verdict = 'permit' | 'dunno' | Reply | Deferral | undefined;

/** What MAIL or RCPT is about. */
export type Subject = Sender | Recipient;

export type Restriction<S extends Subject = Subject> = (
  session: SmtpdSession,
  subject: S,
) => Verdict | Promise<Verdict>;

/**
 * A function for `onMail` or `onRcpt`.
 *
 * ```ts
 * onRcpt: restrictions<Recipient>(permitTlsClientcerts(table), rejectUnauthDestination)
 * ```
 */
export function restrictions<S extends Subject = Subject>(
  ...list: readonly Restriction<S>[]
): (session: SmtpdSession, subject: S) => Promise<Reply | undefined> {
  return (session, subject) => decide(list, session, subject);
}

async function decide<S extends Subject>(
  list: readonly Restriction<S>[],
  session: SmtpdSession,
  subject: S,
): Promise<Reply | undefined> {
  let ifPermit: Reply | undefined;
  let ifReject: Reply | undefined;
  for (const restriction of list) {
    const verdict = await restriction(session, subject);
    if (verdict === 'permit') {
      break;
    }
    if (verdict === 'dunno' || verdict === undefined) {
      continue;
    }
    if (!('deferIf' in verdict)) {
      return verdict.code >= 500 ? (ifReject ?? verdict) : verdict;
    }
    if (verdict.deferIf === 'permit') {
      ifPermit ??= verdict.reply;
    } else {
      ifReject ??= verdict.reply;
    }
  }
  return ifPermit;
}

export type AccessLogWord = 'warn' | 'info';

/** `NOQUEUE: warn: RCPT from NAMADDR: text; from=<...> to=<...> proto=ESMTP helo=<...>` */
export function logAccess(
  word: AccessLogWord,
  session: SmtpdSession,
  subject: Subject,
  text: string,
): void {
  if (session instanceof ClientView) {
    session.service.logger.info(accessLine(word, session, subject, text));
  }
}

/** The line of {@link logAccess}. */
export function accessLine(
  word: AccessLogWord,
  session: SmtpdSession,
  subject: Subject,
  text: string,
): string {
  const { queueId, namaddr, protocol, helo } = session;
  const recipient = 'notify' in subject ? subject : null;
  const sender = recipient === null ? subject : session.sender;
  return (
    `${queueId ?? 'NOQUEUE'}: ${word}: ${recipient === null ? 'MAIL' : 'RCPT'} from ${namaddr}: ` +
    `${text}; from=<${sender?.address ?? ''}>` +
    (recipient === null ? '' : ` to=<${recipient.address}>`) +
    ` proto=${protocol}${helo === null ? '' : ` helo=<${helo}>`}`
  );
}
