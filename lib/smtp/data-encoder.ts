/**
 * Brings a message into the DATA phase: CRLF at every line's end, a dot before every leading dot.
 *
 * A bare LF is read as a line end (files have them); a stray CR becomes a blank, so that nothing
 * sent can be taken for a line end by a lenient server (SMTP smuggling, outgoing side,
 * CVE-2023-51764). A chunk that needs nothing leaves as it is, uncopied.
 */
import { OutputBuffer } from './output-buffer.js';

const LF = 10;
const CR = 13;
const DOT = 46;
const BLANK = 32;

const nothing = Buffer.alloc(0);
const end = Buffer.from('.\r\n');
const endOfLineAndData = Buffer.from('\r\n.\r\n');
const blankEnd = Buffer.from(' \r\n.\r\n');

export class DataEncoder {
  readonly #stuff: boolean;
  #atStart = true;
  /** A CR at the end of a chunk waits for what follows it. */
  #pendingCr = false;

  /** @param stuff false: line ends only, no dots (BDAT) */
  constructor(stuff = true) {
    this.#stuff = stuff;
  }

  /** The next part of the message as it goes over the wire; valid as long as `chunk` is. */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) {
      return nothing;
    }
    const dot = this.#stuff && this.#atStart && chunk[0] === DOT;
    const event = this.#pendingCr || dot ? 0 : findDirt(chunk, 0, this.#stuff);
    if (event < 0) {
      this.#atStart = chunk[chunk.length - 1] === LF;
      return chunk;
    }
    return this.#rewrite(chunk, event);
  }

  /** What ends the message. */
  finish(): Buffer {
    if (this.#pendingCr) {
      return this.#stuff ? blankEnd : blankEnd.subarray(0, 3);
    }
    if (!this.#stuff) {
      return this.#atStart ? nothing : endOfLineAndData.subarray(0, 2);
    }
    return this.#atStart ? end : endOfLineAndData;
  }

  #rewrite(chunk: Buffer, first: number): Buffer {
    const out = new OutputBuffer(chunk.length + (chunk.length >> 5) + 16);
    let at = this.#beginChunk(chunk, out);
    let event = Math.max(first, at);
    if (at > first || first === 0) {
      event = findDirt(chunk, at, this.#stuff);
    }
    while (event >= 0) {
      at = this.#mend(chunk, at, event, out);
      event = findDirt(chunk, at, this.#stuff);
    }
    out.copy(chunk, at, chunk.length);
    if (at < chunk.length) {
      this.#atStart = chunk[chunk.length - 1] === LF;
    }
    return out.finish();
  }

  /** Deals with what the chunk before left open; returns how many bytes of this one that took. */
  #beginChunk(chunk: Buffer, out: OutputBuffer): number {
    let taken = 0;
    if (this.#pendingCr) {
      this.#pendingCr = false;
      this.#atStart = chunk[0] === LF;
      taken = this.#atStart ? 1 : 0;
      out.byte(this.#atStart ? CR : BLANK);
      if (this.#atStart) {
        out.byte(LF);
      }
    }
    if (this.#stuff && this.#atStart && chunk[taken] === DOT) {
      out.byte(DOT);
    }
    return taken;
  }

  /** Copies up to the dirt at `event` and puts it right; returns where to go on. */
  #mend(chunk: Buffer, at: number, event: number, out: OutputBuffer): number {
    out.copy(chunk, at, event);
    if (chunk[event] === CR) {
      this.#atStart = false;
      if (event + 1 === chunk.length) {
        this.#pendingCr = true;
      } else {
        out.byte(BLANK);
      }
      return event + 1;
    }
    if (event === 0 || chunk[event - 1] !== CR) {
      out.byte(CR);
    }
    out.byte(LF);
    this.#atStart = true;
    if (this.#stuff && chunk[event + 1] === DOT) {
      out.byte(DOT);
    }
    return event + 1;
  }
}

/**
 * The first byte from `at` on that cannot stay as it is: an LF without a CR before it, a CR without
 * an LF after it (as far as the chunk tells), or, with `dots`, an LF that a dot follows. -1: none.
 */
function findDirt(chunk: Buffer, at: number, dots: boolean): number {
  let lf = chunk.indexOf(LF, at);
  let cr = chunk.indexOf(CR, at);
  while (cr >= 0 || lf >= 0) {
    if (cr < 0 || (lf >= 0 && lf < cr)) {
      return lf; // an LF ahead of the next CR has none before it
    }
    if (lf !== cr + 1) {
      return cr;
    }
    if (dots && chunk[lf + 1] === DOT) {
      return lf;
    }
    cr = chunk.indexOf(CR, lf + 1);
    lf = chunk.indexOf(LF, lf + 1);
  }
  return -1;
}
