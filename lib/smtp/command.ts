/**
 * The command line of SMTP (RFC 5321 section 4.1.1): a verb, blanks, an argument.
 *
 * Verbs are recognised from the bytes, without making a string of the line: four letters make one
 * number. The argument becomes text only for the commands that have one.
 */

/** In the order of Postfix's command table, which is the order of the `disconnect` line. */
export const verbs = [
  'HELO',
  'EHLO',
  'STARTTLS',
  'AUTH',
  'MAIL',
  'RCPT',
  'DATA',
  'BDAT',
  'RSET',
  'NOOP',
  'VRFY',
  'QUIT',
  'HELP',
] as const;

export type Verb = (typeof verbs)[number];

const byCode: ReadonlyMap<number, Verb> = new Map(verbs.map((verb) => [fourLetters(verb), verb]));

function fourLetters(text: string): number {
  return codeOf(Buffer.from(text), 0);
}

/** Four ASCII letters in either case as one number; other bytes make numbers that are no verb's. */
function codeOf(data: Uint8Array, at: number): number {
  let code = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = data[i] ?? 0;
    const letter = byte & 0xdf;
    code = (code << 8) | (letter >= 0x41 && letter <= 0x5a ? letter : 0);
  }
  return code;
}

/** Where the verb begins: blanks before it do not count. */
export function wordStart(line: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && (line[at] === 0x20 || line[at] === 0x09)) {
    at++;
  }
  return at;
}

/** Where the verb ends: at a blank or the end of the line. */
export function verbEnd(line: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && line[at] !== 0x20 && line[at] !== 0x09) {
    at++;
  }
  return at;
}

/** The verb in bytes `from` to `to` (see {@link verbEnd}); null for one that is not known. */
export function verbAt(line: Uint8Array, from: number, to: number): Verb | null {
  const length = to - from;
  if (length !== 4 && length !== 8) {
    return null;
  }
  const verb = byCode.get(codeOf(line, from)) ?? null;
  if (length === 4) {
    return verb === 'STARTTLS' ? null : verb;
  }
  return verb === 'STARTTLS' && codeOf(line, from + 4) === starttlsTail ? verb : null;
}

const starttlsTail = fourLetters('TTLS');

/** What follows the verb, as UTF-8, without blanks around it. */
export function argumentAt(line: Buffer, from: number, to: number): string {
  return from >= to ? '' : line.toString('utf8', from, to).trim();
}
