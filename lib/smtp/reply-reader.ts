/**
 * Puts the lines of a server's reply together (RFC 5321 section 4.2.1).
 *
 * As tolerant as smtp(8): a line that begins with three digits, then `-`, a blank or nothing, belongs
 * to a reply, and the last line's code is the reply's; any other line belongs to none. What a server
 * says beyond {@link maxText} is not kept.
 */
import { statusCode } from './reply.js';

/** Characters of a reply that are kept, and those that a log or a report shows. */
const maxText = 32 * 1024;
const maxShown = 2048;

/** `garbage`: the line is no part of a reply and changes nothing. */
export type ReplyProgress = 'more' | 'done' | 'garbage';

export class ReplyReader {
  /** Of the reply that is complete after `done`. */
  code = 0;

  /** With their codes. */
  #lines: string[] = [];
  #open = false;
  #size = 0;

  /** Adds bytes `from` to `to` of `line`, a line without its end. */
  push(line: Buffer, from: number, to: number): ReplyProgress {
    const code = threeDigits(line, from, to);
    const mark = to - from > 3 ? line[from + 3] : 0x20;
    if (code < 0 || (mark !== 0x20 && mark !== 0x2d)) {
      return 'garbage';
    }
    if (!this.#open) {
      this.#lines = [];
      this.#size = 0;
    }
    this.code = code;
    this.#size += to - from;
    if (this.#size <= maxText) {
      this.#lines.push(line.toString('utf8', from, to));
    }
    this.#open = mark === 0x2d;
    return this.#open ? 'more' : 'done';
  }

  /** Its lines without codes. */
  get lines(): readonly string[] {
    return this.#lines.map((line) => line.slice(4));
  }

  /** The reply as it came, lines ending in CRLF but the last. */
  get raw(): string {
    return this.#lines.join('\r\n');
  }

  /** The whole reply on one line, as a log shows it (`550-5.1.1 first 550 5.1.1 second`); the peer's text as it came. */
  get text(): string {
    return this.#lines.join(' ').slice(0, maxShown).trimEnd();
  }

  /** Enhanced status code of the reply, or one made of its code. */
  get status(): string {
    return statusCode(this.code, this.#lines[this.#lines.length - 1]?.slice(4) ?? '');
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
  return code;
}
