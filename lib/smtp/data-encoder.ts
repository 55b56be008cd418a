/**
 * Brings a message into the DATA phase: CRLF at every line's end, a dot before every leading dot.
 *
 * A bare LF is read as a line end (files have them); a stray CR becomes a blank, so that nothing
 * sent can be taken for a line end by a lenient server (SMTP smuggling, outgoing side,
 * CVE-2023-51764). So does a NUL, which no message may have (RFC 5322 section 2.3, RFC 6152 section 3)
 * and which some servers drop: CRLF NUL . CRLF. A chunk that needs nothing leaves as it is, uncopied.
 */
import { OutputBuffer } from './output-buffer.js';

const NUL = 0;
const LF = 10;
const CR = 13;
const DOT = 46;
const BLANK = 32;

const nothing = Buffer.alloc(0);
const dotEnd = Buffer.from('.\r\n');
const lineAndDotEnd = Buffer.from('\r\n.\r\n');
const blankEnd = Buffer.from(' \r\n.\r\n');

export interface DataEncoderProps {
  /** False: line ends only, no dots (BDAT); default true. */
  readonly dots?: boolean;
  /**
   * Longest line in bytes (`smtp_line_length_limit`): the rest goes to a line of its own that begins
   * with a blank. 0 (default): none.
   */
  readonly lineLimit?: number;
}

type Dirt = 'lf' | 'cr' | 'long';

export class DataEncoder {
  readonly #dots: boolean;
  readonly #lineLimit: number;
  /** Bytes of the line that has begun. */
  #column = 0;
  /** A CR at the end of a chunk waits for what follows it. */
  #pendingCr = false;
  /** What the last search has found. */
  #dirt: Dirt = 'lf';

  constructor(props: DataEncoderProps = {}) {
    this.#dots = props.dots ?? true;
    const limit = props.lineLimit ?? 0;
    this.#lineLimit = limit === 1 ? 2 : limit; // the blank of a continuation needs company
  }

  /** The next part of the message as it goes over the wire; valid as long as `part` is. */
  push(part: Buffer): Buffer {
    if (part.length === 0) {
      return nothing;
    }
    const chunk = part.includes(NUL) ? withoutNul(part) : part;
    if (this.#pendingCr || (this.#dots && this.#column === 0 && chunk[0] === DOT)) {
      return this.#rewrite(chunk);
    }
    const column = this.#column;
    if (this.#find(chunk, 0) < 0) {
      return chunk;
    }
    this.#column = column;
    return this.#rewrite(chunk);
  }

  /** What ends the message. */
  finish(): Buffer {
    const end = this.#pendingCr ? blankEnd : this.#column === 0 ? dotEnd : lineAndDotEnd;
    return this.#dots ? end : end.subarray(0, end.length - dotEnd.length);
  }

  #rewrite(chunk: Buffer): Buffer {
    const out = new OutputBuffer(Buffer.allocUnsafe(chunk.length + (chunk.length >> 5) + 16));
    let at = this.#beginChunk(chunk, out);
    for (let next = this.#find(chunk, at); next >= 0; next = this.#find(chunk, at)) {
      out.copy(chunk, at, next);
      at = this.#mend(chunk, next, out);
    }
    out.copy(chunk, at, chunk.length);
    return out.finish();
  }

  /** Deals with what the chunk before left open; returns how many bytes of this one that took. */
  #beginChunk(chunk: Buffer, out: OutputBuffer): number {
    let taken = 0;
    if (this.#pendingCr) {
      this.#pendingCr = false;
      if (chunk[0] === LF) {
        taken = 1;
        this.#lineEnd(out);
      } else {
        if (this.#lineLimit > 0 && this.#column >= this.#lineLimit) {
          this.#continuation(out);
        }
        out.byte(BLANK);
        this.#column++;
      }
    }
    if (this.#dots && this.#column === 0 && chunk[taken] === DOT) {
      out.byte(DOT);
    }
    return taken;
  }

  /** Puts right what was found at `at`; returns where to go on. */
  #mend(chunk: Buffer, at: number, out: OutputBuffer): number {
    switch (this.#dirt) {
      case 'long':
        this.#continuation(out);
        return at;
      case 'cr':
        if (at + 1 === chunk.length) {
          this.#pendingCr = true;
        } else {
          out.byte(BLANK);
          this.#column++;
        }
        return at + 1;
      default: {
        const next = at + (chunk[at] === CR ? 2 : 1);
        this.#lineEnd(out);
        if (this.#dots && chunk[next] === DOT) {
          out.byte(DOT);
        }
        return next;
      }
    }
  }

  #lineEnd(out: OutputBuffer): void {
    out.byte(CR);
    out.byte(LF);
    this.#column = 0;
  }

  /** The rest of a line that is too long. */
  #continuation(out: OutputBuffer): void {
    this.#lineEnd(out);
    out.byte(BLANK);
    this.#column = 1;
  }

  /**
   * The next byte from `at` on that cannot stay as it is; -1: none. A bare LF, a CR without an LF
   * after it (as far as the chunk tells), the line end before a dot, the byte that is too much for
   * its line.
   */
  #find(chunk: Buffer, at: number): number {
    let lineStart = at - this.#column;
    let lf = chunk.indexOf(LF, at);
    let cr = chunk.indexOf(CR, at);
    for (;;) {
      const bare = lf >= 0 && (cr < 0 || lf < cr);
      const special = bare ? lf : cr;
      const stray = !bare && cr >= 0 && lf !== cr + 1 && cr + 1 < chunk.length;
      const lineEnd = special < 0 ? chunk.length : special + (stray ? 1 : 0);
      if (this.#lineLimit > 0 && lineEnd - lineStart > this.#lineLimit) {
        return this.#found('long', lineStart + this.#lineLimit, lineStart);
      }
      if (special < 0) {
        this.#column = chunk.length - lineStart;
        return -1;
      }
      if (bare) {
        return this.#found('lf', lf, lineStart);
      }
      if (lf !== cr + 1) {
        return this.#found('cr', cr, lineStart);
      }
      if (this.#dots && chunk[lf + 1] === DOT) {
        return this.#found('lf', cr, lineStart);
      }
      lineStart = lf + 1;
      cr = chunk.indexOf(CR, lineStart);
      lf = chunk.indexOf(LF, lineStart);
    }
  }

  #found(dirt: Dirt, at: number, lineStart: number): number {
    this.#dirt = dirt;
    this.#column = at - lineStart;
    return at;
  }
}

function withoutNul(part: Buffer): Buffer {
  const chunk = Buffer.from(part);
  for (let at = chunk.indexOf(NUL); at >= 0; at = chunk.indexOf(NUL, at + 1)) {
    chunk[at] = BLANK;
  }
  return chunk;
}
