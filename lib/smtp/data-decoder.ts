/**
 * Takes a message out of the DATA phase, or out of BDAT's chunks.
 *
 * The rules - what ends a message, what becomes of dots and of bare LFs - are
 * `native/binding/data_decoder.h`: all bytes of a read turn are gone through there in one pass,
 * which copies them out at the same time. Here are the state and the memory.
 *
 * What is fed may be cut anywhere, down to single bytes.
 */
import { addon } from '../addon.js';
import type { NativeDecoderState } from '../native.js';
import type { OutputBuffer } from './output-buffer.js';

const CR = 13;
const LF = 10;

/** Fields of {@link NativeDecoderState}. */
const [DOTS, PLACE, DONE, SAW_BARE_LF, CONSUMED, WRITTEN, FIELDS] = [0, 1, 2, 3, 4, 5, 6];
/** Where a message begins, and the places in which a line has begun. */
const [START, MIDDLE, MIDDLE_CR] = [0, 2, 3];

/** A step of the decoder takes place only where there is room for a line end. */
const LINE_END = 2;

/** What goes to native code and comes back: filled for each call, as a small message would pay for one of its own. */
const call: NativeDecoderState = new Uint32Array(FIELDS);

export class DataDecoder {
  /** Bytes of message so far, dots and end removed. */
  bytes = 0;
  /** The end has been seen. */
  done = false;
  sawBareLf = false;

  readonly #dots: number;
  #place = START;

  /** @param framing `chunks`: dots mean nothing, {@link finish} tells the end */
  constructor(framing: 'dots' | 'chunks' = 'dots') {
    this.#dots = framing === 'dots' ? 1 : 0;
  }

  /**
   * Consumes bytes `from` to `to` of `data`, or up to the end of the message, and returns where it
   * stopped. What they hold of the message goes to `out`; null throws it away.
   */
  push(data: Buffer, from: number, to: number, out: OutputBuffer | null): number {
    let at = from;
    while (at < to && !this.done) {
      at += this.#step(data, at, to, out);
    }
    return at;
  }

  #step(data: Buffer, at: number, to: number, out: OutputBuffer | null): number {
    const room = out === null ? null : out.reserve(LINE_END);
    call[DOTS] = this.#dots;
    call[PLACE] = this.#place;
    call[DONE] = 0;
    call[SAW_BARE_LF] = this.sawBareLf ? 1 : 0;
    addon.decodeData(call, data, at, to, room, out?.length ?? 0);
    const written = call[WRITTEN] ?? 0;
    this.#place = call[PLACE] ?? START;
    this.done = call[DONE] === 1;
    this.sawBareLf = call[SAW_BARE_LF] === 1;
    this.bytes += written;
    out?.wrote(written);
    return call[CONSUMED] ?? 0;
  }

  /** The last chunk has been pushed: a line without an end gets one. */
  finish(out: OutputBuffer | null): void {
    if (this.#place === MIDDLE || this.#place === MIDDLE_CR) {
      out?.byte(CR);
      out?.byte(LF);
      this.bytes += LINE_END;
    }
    this.done = true;
  }
}
