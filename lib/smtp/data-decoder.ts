/**
 * Takes a message out of the DATA phase: finds its end, removes the dots (RFC 5321 section 4.5.2).
 * For BDAT (RFC 3030), where the end is counted, only the line ends are looked at.
 *
 * The end is CRLF.CRLF, these five bytes and no others (the CRLF before the dot may be that of the
 * DATA command itself). Every looser reading - LF.LF, LF.CRLF, CRLF.LF, CR.CR - lets somebody hide
 * a second message in the first (SMTP smuggling, CVE-2023-51764). A line that ends in a bare LF
 * leaves as a line that ends in CRLF, so that nobody further on reads it in another way, and
 * `sawBareLf` tells; a stray CR is content. A lone dot between other line ends is an empty line.
 *
 * What is fed may be cut anywhere, down to single bytes.
 */
import type { OutputBuffer } from './output-buffer.js';
import { findLineEvent } from './scan.js';

const LF = 10;
const CR = 13;
const DOT = 46;

/** Where in a line the next byte stands; `Bare`: the line before ended in a bare LF. */
type Place =
  | 'start'
  | 'startBare'
  | 'middle'
  | 'middleCr'
  | 'dot'
  | 'dotBare'
  | 'dotCr'
  | 'dotBareCr';

export class DataDecoder {
  /** The end has been seen. */
  done = false;
  /** Bytes of message so far, dots and end removed. */
  bytes = 0;
  sawBareLf = false;

  readonly #dots: boolean;
  #place: Place = 'start';

  /** @param framing `chunks`: dots mean nothing, {@link finish} tells the end */
  constructor(framing: 'dots' | 'chunks' = 'dots') {
    this.#dots = framing === 'dots';
  }

  /**
   * Consumes bytes `from` to `to` of `data`, or up to the end of the message, and returns where it
   * stopped. What they hold of the message goes to `out`; null throws it away.
   */
  push(data: Buffer, from: number, to: number, out: OutputBuffer | null): number {
    let at = from;
    while (at < to && !this.done) {
      at = this.#step(data, at, to, out);
    }
    return at;
  }

  /** The last chunk has been pushed: a line without an end gets one. */
  finish(out: OutputBuffer | null): void {
    if (this.#place === 'middle' || this.#place === 'middleCr') {
      this.#emptyLine(out);
    }
    this.done = true;
  }

  #step(data: Buffer, at: number, to: number, out: OutputBuffer | null): number {
    const byte = data[at];
    switch (this.#place) {
      case 'start':
      case 'startBare':
        if (byte !== DOT || !this.#dots) {
          return this.#lines(data, at, to, out);
        }
        this.#place = this.#place === 'start' ? 'dot' : 'dotBare';
        return at + 1;
      case 'middle':
      case 'middleCr':
        return this.#lines(data, at, to, out);
      case 'dot':
      case 'dotBare':
        return this.#afterDot(byte, at, out);
      default:
        return this.#afterDotCr(byte, at, out);
    }
  }

  /** Passes whole lines through until one needs a look. */
  #lines(data: Buffer, at: number, to: number, out: OutputBuffer | null): number {
    const afterCr = this.#place === 'middleCr';
    const event = findLineEvent(data, at, to, afterCr);
    if (event < 0) {
      this.#emit(data, at, to, out);
      this.#place = data[to - 1] === CR ? 'middleCr' : 'middle';
      return to;
    }
    if (event === at ? afterCr : data[event - 1] === CR) {
      this.#emit(data, at, event + 1, out);
      this.#place = 'start';
    } else {
      this.#emit(data, at, event, out);
      this.#emptyLine(out);
      this.#bareLf();
    }
    return event + 1;
  }

  #afterDot(byte: number | undefined, at: number, out: OutputBuffer | null): number {
    if (byte === CR) {
      this.#place = this.#place === 'dot' ? 'dotCr' : 'dotBareCr';
      return at + 1;
    }
    if (byte === LF) {
      this.#emptyLine(out);
      this.#bareLf();
      return at + 1;
    }
    this.#place = 'middle';
    return at;
  }

  #afterDotCr(byte: number | undefined, at: number, out: OutputBuffer | null): number {
    if (byte === LF) {
      if (this.#place === 'dotCr') {
        this.done = true;
      } else {
        this.#emptyLine(out);
        this.#place = 'start';
      }
      return at + 1;
    }
    out?.byte(CR);
    this.bytes++;
    this.#place = 'middleCr';
    return at;
  }

  #bareLf(): void {
    this.#place = 'startBare';
    this.sawBareLf = true;
  }

  #emptyLine(out: OutputBuffer | null): void {
    out?.byte(CR);
    out?.byte(LF);
    this.bytes += 2;
  }

  #emit(data: Buffer, from: number, to: number, out: OutputBuffer | null): void {
    out?.copy(data, from, to);
    this.bytes += to - from;
  }
}
