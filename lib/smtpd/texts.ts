/**
 * What the server says, ready for the wire. The wording is Postfix's: tools and people know it.
 *
 * Replies that carry no name of a host or a client are constants; formatting costs nothing then.
 */
import { formatReply, reply } from '../smtp/reply.js';

function line(code: number, enhanced: string | null, text: string): string {
  return formatReply(reply(code, enhanced, text));
}

export const ok = line(250, '2.0.0', 'Ok');
export const senderOk = line(250, '2.1.0', 'Ok');
export const recipientOk = line(250, '2.1.5', 'Ok');
export const goAhead = line(354, null, 'End data with <CR><LF>.<CR><LF>');
export const bye = line(221, '2.0.0', 'Bye');
export const readyForTls = line(220, '2.0.0', 'Ready to start TLS');

export const unknownCommand = line(500, '5.5.2', 'Error: command not recognized');
export const emptyLine = line(500, '5.5.2', 'Error: bad syntax');
export const badUtf8 = line(500, '5.5.2', 'Error: bad UTF-8 syntax');
/** To a client that speaks another protocol. */
export const goodbye = line(221, '2.7.0', 'Error: I can break rules, too. Goodbye.');
export const lineTooLong = line(500, '5.5.2', 'Error: line too long');
export const notImplemented = line(502, '5.5.1', 'Error: command not implemented');
export const heloSyntax = line(501, null, 'Syntax: HELO hostname');
export const ehloSyntax = line(501, null, 'Syntax: EHLO hostname');
export const starttlsSyntax = line(501, '5.5.4', 'Syntax: STARTTLS');
export const dataSyntax = line(501, '5.5.4', 'Syntax: DATA');
export const rsetSyntax = line(501, '5.5.4', 'Syntax: RSET');

export const vrfySyntax = line(501, '5.5.4', 'Syntax: VRFY address');
export const vrfySyntaxUtf8 = line(501, '5.5.4', 'Syntax: VRFY address [SMTPUTF8]');
export const vrfyDisabled = line(502, '5.5.1', 'VRFY command is disabled');
export const badAddress = line(501, '5.1.3', 'Bad recipient address syntax');
// Where a chunk may follow that cannot be told from commands the connection ends (521).
export const bdatSyntax = line(521, '5.5.4', 'Syntax: BDAT count [LAST]');
export const bdatNotImplemented = line(521, '5.5.1', 'Error: command not implemented');
export const rcptAfterBdat = line(503, '5.5.1', 'Error: RCPT after BDAT');
export const dataAfterBdat = line(503, '5.5.1', 'Error: DATA after BDAT');
export const helloFirst = line(503, '5.5.1', 'Error: send HELO/EHLO first');
export const synchronization = line(554, '5.5.0', 'Error: SMTP protocol synchronization');

export const authSyntax = line(501, '5.5.4', 'Syntax: AUTH mechanism');
export const authDisabled = line(503, '5.5.1', 'Error: authentication not enabled');
export const authNeedsTls = line(
  504,
  '5.5.4',
  'Encryption required for requested authentication mechanism',
);
export const alreadyAuthenticated = line(503, '5.5.1', 'Error: already authenticated');
export const authInTransaction = line(503, '5.5.1', 'Error: MAIL transaction in progress');
export const authAborted = line(501, '5.7.0', 'Authentication aborted');
export const responseTooLong = line(500, '5.5.6', 'SASL response limit exceeded');
export const authOk = line(235, '2.7.0', 'Authentication successful');
export const authTrouble = line(454, '4.7.0', 'Temporary authentication failure');

export const tlsActive = line(554, '5.5.1', 'Error: TLS already active');
export const tlsUnavailable = line(454, '4.7.0', 'TLS not available due to local problem');
export const tlsRequired = line(530, '5.7.0', 'Must issue a STARTTLS command first');

export const nestedMail = line(503, '5.5.1', 'Error: nested MAIL command');
export const needMail = line(503, '5.5.1', 'Error: need MAIL command');
export const needRcpt = line(503, '5.5.1', 'Error: need RCPT command');
export const noRecipients = line(554, '5.5.1', 'Error: no valid recipients');
export const tooManyRecipients = line(452, '4.5.3', 'Error: too many recipients');
export const sizeExceedsLimit = line(552, '5.3.4', 'Message size exceeds fixed limit');
export const chunkTooBig = line(552, '5.3.4', 'Chunk exceeds message size limit');
export const messageTooBig = line(552, '5.3.4', 'Error: message file too big');
/** A callback threw. */
export const localProblem = line(451, '4.3.0', 'Error: local problem, try again later');

export function chunkOk(bytes: number): string {
  return `250 2.0.0 Ok: ${bytes} bytes\r\n`;
}

export function chunkDiscarded(bytes: number): string {
  return `551 5.0.0 Discarded ${bytes} bytes after earlier error\r\n`;
}

export function authFailed(reason: string): string {
  return line(535, '5.7.8', `Error: authentication failed: ${reason}`);
}

/** VRFY neither confirms nor denies. */
export function cannotVerify(address: string): string {
  return line(252, '2.0.0', address);
}

export function help(verbs: readonly string[]): string {
  return `214 2.0.0 Commands: ${verbs.join(' ')}\r\n`;
}

export function bareNewline(code: number, myhostname: string): string {
  return line(code, `${Math.floor(code / 100)}.5.2`, `${myhostname} Error: bare <LF> received`);
}

/** @param bytes of a message that came in chunks; null for DATA */
export function queuedAs(queueId: string, bytes: number | null): string {
  return `250 2.0.0 Ok: ${bytes === null ? '' : `${bytes} bytes `}queued as ${queueId}\r\n`;
}

export function timeoutExceeded(myhostname: string): string {
  return line(421, '4.4.2', `${myhostname} Error: timeout exceeded`);
}

export function tooManyErrors(myhostname: string): string {
  return line(421, '4.7.0', `${myhostname} Error: too many errors`);
}

export function tooManyConnections(myhostname: string, namaddr: string): string {
  return line(421, '4.7.0', `${myhostname} Error: too many connections from ${namaddr}`);
}

export const tooManyServed = line(421, '4.3.2', 'All server ports are busy');

export function tooManyNewSessions(myhostname: string, namaddr: string): string {
  return line(421, '4.7.0', `${myhostname} Error: too many new TLS sessions from ${namaddr}`);
}

export function noMoreNewSessions(namaddr: string): string {
  return line(454, '4.7.0', `Error: too many new TLS sessions from ${namaddr}`);
}

export function shuttingDown(myhostname: string): string {
  return line(421, '4.3.2', `${myhostname} Service shutting down`);
}

export function clientCertProblem(myhostname: string, problem: string): string {
  return line(421, '4.7.1', `${myhostname} Error: ${problem}`);
}

/** In the log, of a client that gets nothing at all. */
export function wrappermodeDropped(namaddr: string): string {
  const why = 'TLS context initialization failed. For details see earlier warnings in your logs.';
  return `Wrapper-mode request dropped from ${namaddr} for service smtpd. ${why}`;
}
