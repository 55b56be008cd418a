/**
 * SMTP replies (RFC 5321 section 4.2) with enhanced status codes (RFC 3463), as values.
 *
 * Servers format them, clients get them from `reply-reader.ts`. Whatever text a reply has, it
 * leaves as whole lines: line ends inside separate lines of one reply, other control characters
 * become `?`.
 */
export interface Reply {
  /** 200 to 599. 421 and 521 end the connection. */
  readonly code: number;
  /** `2.1.5`; its class must be that of the code. Absent or null: none is sent. */
  readonly enhanced?: string | null;
  /** Lines are separated by LF. */
  readonly text: string;
}

/** Makes a reply; `enhanced` may be left empty. */
export function reply(code: number, enhanced: string | null, text: string): Reply {
  return { code, enhanced: enhanced === '' ? null : enhanced, text };
}

const enhancedCode = /^[245]\.\d{1,3}\.\d{1,3}$/;

/** Says why a value is not a reply that can be sent; null when it is one. */
export function replyProblem(value: Reply): string | null {
  const { code, enhanced, text } = value;
  if (!Number.isInteger(code) || code < 200 || code > 599) {
    return `reply code ${String(code)} is not between 200 and 599`;
  }
  if (typeof text !== 'string') {
    return 'reply text is not a string';
  }
  if (enhanced === undefined || enhanced === null) {
    return null;
  }
  if (!enhancedCode.test(enhanced) || Number(enhanced[0]) !== Math.floor(code / 100)) {
    return `enhanced status code "${enhanced}" does not suit reply code ${code}`;
  }
  return null;
}
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f]/g;

/** The reply as it goes over the wire, CRLF at its end. */
export function formatReply(value: Reply): string {
  const { code, enhanced } = value;
  const prefix = enhanced === undefined || enhanced === null ? '' : `${enhanced} `;
  const text = value.text.replace(/\r\n/g, '\n').replace(unsafe, '?');
  if (!text.includes('\n')) {
    return `${code} ${prefix}${text}\r\n`;
  }
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  return `${lines.map((line) => `${code}-${prefix}${line}\r\n`).join('')}${code} ${prefix}${last}\r\n`;
}

/**
 * The enhanced status code at the beginning of a reply's text, when it suits the code; else the
 * class with `.0.0` (RFC 3463 section 2).
 */
export function statusCode(code: number, text: string): string {
  const digit = Math.floor(code / 100);
  const found = /^([245]\.\d{1,3}\.\d{1,3})(?:\s|$)/.exec(text)?.[1];
  return found !== undefined && Number(found[0]) === digit ? found : `${digit}.0.0`;
}
