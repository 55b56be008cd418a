/**
 * The Received: header of a message that has just come in, with Postfix's clause about TLS.
 *
 * Pure; the caller puts it before the content it stores or passes on.
 */
import { isIPv6 } from 'node:net';
import type { NativeClaims } from '../native.js';
import type { SignatureInfo, TlsSnapshot } from '../snapshot.js';
import type { SmtpdSession } from './handlers.js';

export interface ReceivedProps {
  readonly session: SmtpdSession;
  readonly myhostname: string;
  /** Name of the software, in parentheses. */
  readonly mailName: string;
  /** `smtpd_tls_received_header`: tell about TLS. */
  readonly tls: boolean;
  /** A client certificate was asked for (`smtpd_tls_ask_ccert`). */
  readonly askCcert: boolean;
  /** What the client's certificate says, for one that is not verified. */
  readonly claims: NativeClaims | null;
  /** Name of the digest of fingerprints. */
  readonly fingerprintDigest: string;
  /** `smtpd_hide_client_session`: neither client nor TLS. */
  readonly hideClientSession: boolean;
  readonly date: Date;
}

/** The header with its line end; its lines end in CRLF. */
export function receivedHeader(props: ReceivedProps): string {
  const { session, myhostname, mailName } = props;
  const lines = [
    ...(props.hideClientSession ? [] : [`from ${fromClause(session)}`, ...tlsClause(props)]),
    `by ${myhostname} (${mailName}) with ${withClause(session)} id ${session.queueId ?? 'NOQUEUE'}`,
    ...forClause(session),
  ];
  const text = lines.join('\r\n\t');
  return `Received: ${text}; ${formatDate(props.date)}\r\n`;
}

function fromClause(session: SmtpdSession): string {
  const { remoteAddress, clientName, auth } = session;
  const address = isIPv6(remoteAddress) ? `IPv6:${remoteAddress}` : remoteAddress;
  const user = auth === null ? '' : `\r\n\t(Authenticated sender: ${comment(auth.username)})`;
  return `${comment(session.helo ?? clientName)} (${clientName} [${address}])${user}`;
}

/** ESMTPS (RFC 3848), UTF8SMTPS (RFC 6531). */
function withClause(session: SmtpdSession): string {
  if (session.protocol === 'SMTP') {
    return 'SMTP';
  }
  const name = session.sender?.smtputf8 === true ? 'UTF8SMTP' : 'ESMTP';
  return `${name}${session.tls === null ? '' : 'S'}${session.auth === null ? '' : 'A'}`;
}

/** The recipient, when there is one only: others must not learn of each other. */
function forClause(session: SmtpdSession): readonly string[] {
  const [recipient, ...others] = session.recipients;
  return recipient === undefined || others.length > 0 ? [] : [`for <${recipient.address}>`];
}

function tlsClause(props: ReceivedProps): readonly string[] {
  const snapshot = props.session.tls;
  if (!props.tls || snapshot === null) {
    return [];
  }
  const { protocol, cipher, cipherUsedBits, cipherAlgorithmBits } = snapshot;
  const first = `(using ${protocol} with cipher ${cipher} (${cipherUsedBits}/${cipherAlgorithmBits} bits)`;
  const lines = [first, ...exchangeLines(snapshot)];
  return [`${lines.join('\r\n\t ')})`, clientClause(props, snapshot)];
}

/** Key exchange and signatures, for TLS 1.3. */
function exchangeLines(snapshot: TlsSnapshot): readonly string[] {
  if (snapshot.protocol !== 'TLSv1.3') {
    return [];
  }
  const exchange = snapshot.group === null ? '' : `key-exchange ${snapshot.group}`;
  const server = signature('server', snapshot.server);
  const client = signature('client', snapshot.client);
  return [[exchange, server].filter((text) => text !== '').join(' '), client].filter(
    (text) => text !== '',
  );
}

function signature(side: 'server' | 'client', info: SignatureInfo | null): string {
  if (info === null) {
    return '';
  }
  const digest = info.digest === null ? '' : ` ${side}-digest ${info.digest}`;
  return `${side}-signature ${info.algorithm}${keyDetails(info)}${digest}`;
}

/** Unlike the log line this does not mark a raw key of an algorithm without curve or bits. */
function keyDetails(info: SignatureInfo): string {
  if (info.curve !== null) {
    return info.rawPublicKey ? ` (${info.curve} raw public key)` : ` (${info.curve})`;
  }
  if (info.bits !== null) {
    return info.rawPublicKey ? ` (${info.bits} bit raw public key)` : ` (${info.bits} bits)`;
  }
  return '';
}

function clientClause(props: ReceivedProps, snapshot: TlsSnapshot): string {
  switch (snapshot.certificateType) {
    case 'x509': {
      const verified = snapshot.status === 'Trusted' ? 'verified OK' : 'not verified';
      const subject = comment(snapshot.peerSubject ?? props.claims?.subject ?? '');
      const issuer = comment(snapshot.peerIssuer ?? props.claims?.issuer ?? '');
      return `(Client CN "${subject}", Issuer "${issuer}" (${verified}))`;
    }
    case 'rpk':
      return `(Client RPK ${props.fingerprintDigest} digest ${snapshot.peerPkeyFingerprint ?? ''})`;
    default:
      return props.askCcert
        ? '(Client did not present a certificate)'
        : '(No client certificate requested)';
  }
}

/** What comes from the client may neither end the comment nor the line. */
function comment(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f"\\()]/g, '?');
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = [
  ...['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'],
  ...['Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
];

/** RFC 5322 section 3.3, in UTC: `Tue, 24 Nov 2026 08:11:00 +0000 (UTC)`. */
export function formatDate(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  const day = days[date.getUTCDay()];
  const month = months[date.getUTCMonth()];
  return `${day}, ${date.getUTCDate()} ${month} ${date.getUTCFullYear()} ${time} +0000 (UTC)`;
}
