/**
 * The face of the smtpd engine to the program that uses it: callbacks, and the session they see.
 *
 * A callback answers with a {@link Reply}, or with nothing for the default; a promise is waited
 * for, and nothing is acknowledged before it has settled. One that throws is a 451 for the client
 * and a line in the log; the connection goes on.
 */
import { TlsError } from '../errors.js';
import type { Recipient, Sender } from '../smtp/envelope.js';
import type { Reply } from '../smtp/reply.js';
import type { Credentials, ExternalCredentials } from '../smtp/sasl.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { Authenticated } from './authentication.js';

/** One client connection as callbacks see it. */
export interface SmtpdSession {
  readonly remoteAddress: string;
  /** This and the local address: ask before the connection has ended. */
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** The client's verified name, or `unknown`. */
  readonly clientName: string;
  /** `name[address]`, as logs show it. */
  readonly namaddr: string;
  /** Argument of HELO or EHLO; null before. */
  readonly helo: string | null;
  readonly protocol: 'SMTP' | 'ESMTP';
  /** The TLS session; null in plaintext. Ask before the connection has ended. */
  readonly tls: TlsSnapshot | null;
  /** Who has authenticated; null: nobody. */
  readonly auth: Authenticated | null;
  /** Null outside a mail transaction. */
  readonly sender: Sender | null;
  readonly recipients: readonly Recipient[];
  /** Names the message in the log; null outside a mail transaction. */
  readonly queueId: string | null;
}

/** The content of a message: lines end in CRLF, dots are removed. Can be iterated once. */
export interface SmtpdMessage extends AsyncIterable<Buffer> {
  /** Bytes received so far; the size of the message once the iteration is over. */
  readonly bytes: number;
  /**
   * REQUIRETLS (RFC 8689) was asked for: by MAIL, as `session.sender.requiretls` says, or, with `requiretlsEsmtpHeader`, by a header
   * `Require-TLS-ESMTP: yes` of the message. Known once the iteration is over; for who passes the message on.
   */
  readonly requiretls: boolean;
  /**
   * The same chunks, lent: each holds good until the next is asked for, as its memory is used again. For who writes a chunk away,
   * or hashes it, before asking for more; large messages cost half as much CPU then. As the iteration itself, once for a message.
   *
   * Throws TlsError INVALID_STATE if the message was read already.
   */
  borrowed(): AsyncIterable<Buffer>;
}

/** What a callback returns. */
export type Answer = Reply | undefined | void | Promise<Reply | undefined | void>;

/**
 * True lets the user in, false does not; a reply does either in its own words. A username lets the client in as this
 * user, whatever it calls itself.
 */
export type AuthDecision = boolean | Reply | { readonly username: string };

/** A decision, or a promise of one. */
export type AuthAnswer = AuthDecision | Promise<AuthDecision>;

export interface SmtpdHandlers {
  /**
   * A client has connected; with wrappermode after the handshake. A reply that is not 2xx is sent
   * in place of the greeting and ends the connection.
   */
  readonly onConnect?: (session: SmtpdSession) => Answer;
  /**
   * AUTH PLAIN or LOGIN. Without this callback AUTH is not offered; with it, not in plaintext where
   * TLS is mandatory or `tls.authOnly` is set.
   */
  readonly onAuth?: (session: SmtpdSession, credentials: Credentials) => AuthAnswer;
  /**
   * AUTH EXTERNAL: the client's certificate or raw public key says who it is (RFC 4422 appendix A). Offered only where
   * there is this callback, to clients that have shown a credential, trusted or not: `session.tls` tells which. True
   * lets the client in as the common name of its trusted certificate, any other credential needs a username of yours.
   * Whom the client wants to act for is in the credentials, and yours to allow.
   */
  readonly onAuthExternal?: (session: SmtpdSession, credentials: ExternalCredentials) => AuthAnswer;
  /** MAIL FROM. A reply that is not 2xx refuses the sender. */
  readonly onMail?: (session: SmtpdSession, sender: Sender) => Answer;
  /** RCPT TO. A reply that is not 2xx refuses the recipient. */
  readonly onRcpt?: (session: SmtpdSession, recipient: Recipient) => Answer;
  /**
   * The message. Iterating it stops the client when it is too fast; the iteration throws when the
   * client goes away or the message is too big, so that a loop that ends has the whole of it.
   * Once this has resolved, the message counts as accepted unless the reply says otherwise; what
   * was not read of it is thrown away.
   */
  readonly onData: (session: SmtpdSession, message: SmtpdMessage) => Answer;
  /** Finds the client's name, by a PTR look-up that was verified, for example; default: `unknown`. */
  readonly resolveClientName?: (address: string) => string | Promise<string>;
}

/** Names of the callbacks among the options. */
export const handlerNames = [
  'onConnect',
  'onAuth',
  'onAuthExternal',
  'onMail',
  'onRcpt',
  'onData',
  'resolveClientName',
] as const satisfies readonly (keyof SmtpdHandlers)[];

/** @throws TlsError `INVALID_ARGUMENT` */
export function checkHandlers(options: Partial<SmtpdHandlers>): void {
  for (const name of handlerNames) {
    const value: unknown = options[name];
    if (value === undefined ? name === 'onData' : typeof value !== 'function') {
      throw new TlsError({
        code: 'INVALID_ARGUMENT',
        message: value === undefined ? `${name} is missing` : `${name} is not a function`,
        suggestion: 'see SmtpdHandlers for what it gets and returns',
      });
    }
  }
}
