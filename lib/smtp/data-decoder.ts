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
/** The places in which a line has begun. */
const [MIDDLE, MIDDLE_CR] = [2, 3];

/** A step of the decoder takes place only where there is room for a line end. */
const LINE_END = 2;

export class DataDecoder {
  /** Bytes of message so far, dots and end removed. */
  bytes = 0;

  readonly #state: NativeDecoderState = new Uint32Array(FIELDS);
  #finished = false;

  /** @param framing `chunks`: dots mean nothing, {@link finish} tells the end */
  constructor(framing: 'dots' | 'chunks' = 'dots') {
    this.#state[DOTS] = framing === 'dots' ? 1 : 0;
  }

  /** The end has been seen. */
  get done(): boolean {
    return this.#finished || this.#state[DONE] === 1;
  }

  get sawBareLf(): boolean {
    return this.#state[SAW_BARE_LF] === 1;
  }

  /**
   * Consumes bytes `from` to `to` of `data`, or up to the end of the message, and returns where it
   * stopped. What they hold of the message goes to `out`; null throws it away.
   */
  push(data: Buffer, from: number, to: number, out: OutputBuffer | null): number {
    const state = this.#state;
    let at = from;
    while (at < to && !this.done) {
      const room = out === null ? null : out.reserve(LINE_END);
      addon.decodeData(state, data, at, to, room, out?.length ?? 0);
      at += state[CONSUMED] ?? 0;
      out?.wrote(state[WRITTEN] ?? 0);
      this.bytes += state[WRITTEN] ?? 0;
    }
    return at;
  }

  /** The last chunk has been pushed: a line without an end gets one. */
  finish(out: OutputBuffer | null): void {
    const place = this.#state[PLACE];
    if (place === MIDDLE || place === MIDDLE_CR) {
      out?.byte(CR);
      out?.byte(LF);
      this.bytes += LINE_END;
    }
    this.#finished = true;
  }
}
