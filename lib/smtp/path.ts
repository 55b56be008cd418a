/**
 * Envelope paths (RFC 5321 section 4.1.2): the `<address>` of MAIL and RCPT, and what follows it.
 *
 * Lenient where Postfix is by default (a blank after the colon, no angle brackets, a source route,
 * which is dropped), strict about what could change its meaning elsewhere: no control characters,
 * no blanks outside quotes, nothing after the closing bracket but parameters.
 */

export interface Path {
  /** `local@domain`, `local`, or `` for the null sender; without brackets and source route. */
  readonly address: string;
  /** What follows the path, not yet parsed. */
  readonly parameters: string;
}

/** What nearly every path looks like; all that matches is right. */
const plainPath = /^<((?:[\w.!#$%&'*+/=?^`{|}~-]+(?:@[\w-]+(?:\.[\w-]+)*)?)?)>(?:\s+(.*))?$/;

/**
 * Reads `FROM:<…> …` or `TO:<…> …`.
 *
 * @param strict brackets are needed (`strict_rfc821_envelopes`)
 * @returns null when the keyword or all that has to follow is missing (a syntax error of the command); `address` null when
 * the path is malformed
 */
export function parsePath(
  text: string,
  keyword: 'FROM' | 'TO',
  strict = false,
): Path | { readonly address: null } | null {
  const start = keyword.length + 1;
  if (text.slice(0, start).toUpperCase() !== `${keyword}:`) {
    return null;
  }
  // Blanks in front are not an address's fault: Postfix takes them whatever the setting.
  const rest = text.slice(start).trimStart();
  if (rest === '') {
    return null;
  }
  const plain = plainPath.exec(rest);
  if (plain !== null) {
    return { address: plain[1] ?? '', parameters: plain[2] ?? '' };
  }
  if (rest.startsWith('<')) {
    return bracketed(rest);
  }
  return strict ? malformed : bare(rest);
}

const malformed = { address: null } as const;

function bare(rest: string): Path | { readonly address: null } {
  const [address = '', ...others] = rest.split(/\s+/);
  if (address === '' || /[<>"\\]/.test(address)) {
    return malformed;
  }
  return isAddress(address) ? { address, parameters: others.join(' ') } : malformed;
}

function bracketed(rest: string): Path | { readonly address: null } {
  const close = closingBracket(rest);
  if (close < 0 || (close + 1 < rest.length && !/\s/.test(rest.charAt(close + 1)))) {
    return malformed;
  }
  const address = rest.slice(1, close).replace(/^@[^:"]*:/, '');
  return isAddress(address) ? { address, parameters: rest.slice(close + 1).trim() } : malformed;
}

/** Index of the `>` that ends the path, quotes and backslashes minded; -1 without one. */
function closingBracket(text: string): number {
  let quoted = false;
  for (let i = 1; i < text.length; i++) {
    const c = text[i];
    if (c === '\\' && quoted) {
      i++;
    } else if (c === '"') {
      quoted = !quoted;
    } else if (c === '>' && !quoted) {
      return i;
    } else if (c === '<' && !quoted) {
      return -1;
    }
  }
  return -1;
}
const localAtoms = /^[^\s()<>[\]\\,;:@"\u0000-\u001f\u007f\ufffd]+$/;
const localQuoted = /^"(?:[^"\\\u0000-\u001f\u007f\ufffd]|\\[^\u0000-\u001f\u007f\ufffd])*"$/;
const domainName = /^(?!\.)(?:[\p{L}\p{N}\p{M}_-]+\.)*[\p{L}\p{N}\p{M}_-]+$/u;
const addressLiteral = /^\[[A-Za-z0-9:.-]+\]$/;

/** An address as it may stand between the brackets; `` (the null sender) included. */
export function isAddress(address: string): boolean {
  if (address === '') {
    return true;
  }
  const at = address.lastIndexOf('@');
  const local = at < 0 ? address : address.slice(0, at);
  const domain = at < 0 ? null : address.slice(at + 1);
  if (!localAtoms.test(local) && !localQuoted.test(local)) {
    return false;
  }
  return domain === null || domainName.test(domain) || addressLiteral.test(domain);
}

const beyondAscii = /[^\u0000-\u007f]/;

/** The text needs SMTPUTF8 (RFC 6531). */
export function needsUtf8(text: string): boolean {
  return beyondAscii.test(text);
}
