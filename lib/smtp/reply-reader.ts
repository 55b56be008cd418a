/**
 * Puts the lines of a server's reply together (RFC 5321 section 4.2.1).
 *
 * Strict: each line begins with three digits, then `-`, a blank or nothing; all lines of a reply
 * have one code; neither lines nor bytes are without bound. What breaks a rule is a protocol
 * failure that ends the delivery, because after it nobody knows which reply answers what.
 */

import { statusCode } from './reply.js';

const maxLines = 200;
const maxText = 32 * 1024;

export type ReplyProgress = 'more' | 'done' | 'malformed';

export class ReplyReader {
  /** Of the reply that is complete after `done`. */
  code = 0;
  /** Its lines without codes. */
  lines: string[] = [];

  #open = false;
  #size = 0;

  /** Adds bytes `from` to `to` of `line`, a line without its end. */
  push(line: Buffer, from: number, to: number): ReplyProgress {
    const code = threeDigits(line, from, to);
    const mark = to - from > 3 ? line[from + 3] : 0x20;
    if (code < 0 || (mark !== 0x20 && mark !== 0x2d) || (this.#open && code !== this.code)) {
      return 'malformed';
    }
    if (!this.#open) {
      this.code = code;
      this.lines = [];
      this.#size = 0;
    }
    this.#size += to - from;
    if (this.lines.length >= maxLines || this.#size > maxText) {
      return 'malformed';
    }
    this.lines.push(line.toString('utf8', Math.min(from + 4, to), to));
    this.#open = mark === 0x2d;
    return this.#open ? 'more' : 'done';
  }

  /** The whole reply on one line, as a log shows it (`550-5.1.1 first 550 5.1.1 second`); the peer's text as it came. */
  get text(): string {
    const last = this.lines.length - 1;
    const parts = this.lines.map((line, i) => `${this.code}${i < last ? '-' : ' '}${line}`);
    return parts.join(' ').trimEnd();
  }

  /** Enhanced status code of the reply, or one made of its code. */
  get status(): string {
    return statusCode(this.code, this.lines[this.lines.length - 1] ?? '');
  }
}

function threeDigits(line: Buffer, from: number, to: number): number {
  if (to - from < 3) {
    return -1;
  }
  let code = 0;
  for (let i = from; i < from + 3; i++) {
    const digit = (line[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) {
      return -1;
    }
    code = code * 10 + digit;
  }
  return code >= 200 && code <= 599 ? code : -1;
}
