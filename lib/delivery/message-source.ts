/**
 * The content of a message as the session takes it: part by part, ready for the wire.
 *
 * What is at hand is given at once; only a stream that has nothing yet costs a promise.
 */
import { DataEncoder } from '../smtp/data-encoder.js';
import type { MessageContent } from './report.js';
import { asBuffer, type OpenStream, StreamReader, streamOf } from './stream-reader.js';

/** Parts of a message that is whole in memory; a TLS record has 16 KiB. */
const partSize = 64 * 1024;

/** Bytes that headers are looked for in. */
const headerLimit = 256 * 1024;

export class MessageSource {
  /** Null where the message comes in parts. */
  readonly #whole: Buffer | null;
  readonly #open: OpenStream;
  /** The stream can be made anew. */
  readonly #again: boolean;
  #stream: StreamReader;
  readonly #lineLimit: number;
  #encoder = new DataEncoder();
  #at = 0;

  /** @param lineLimit see {@link DataEncoderProps.lineLimit} */
  constructor(content: MessageContent, lineLimit: number) {
    this.#lineLimit = lineLimit;
    const whole = typeof content === 'string' ? Buffer.from(content) : content;
    this.#whole = whole instanceof Uint8Array ? asBuffer(whole) : null;
    this.#again = typeof whole === 'function';
    this.#open = typeof whole === 'function' ? whole : () => streamOf(whole);
    this.#stream = new StreamReader(this.#open);
  }

  /** Bytes, before line ends and dots are put right; null when nobody knows. */
  get size(): number | null {
    return this.#whole?.length ?? null;
  }

  /** Can be sent from the beginning (again). */
  get rewindable(): boolean {
    return this.#whole !== null || this.#again || !this.#stream.taken;
  }

  /**
   * The header section, up to the first empty line: 256 KiB at most. Nothing is lost of a stream, which must not have been
   * begun; one that fails here fails when it is sent.
   */
  headers(): Buffer | Promise<Buffer> {
    return this.#whole === null
      ? this.#headersOfStream()
      : (headerSection(this.#whole) ?? this.#whole.subarray(0, headerLimit));
  }

  async #headersOfStream(): Promise<Buffer> {
    const enough = (read: Buffer): boolean =>
      read.length >= headerLimit || headerSection(read) !== null;
    const read = await this.#stream.peek(enough);
    return headerSection(read) ?? read;
  }

  /** Begins at the beginning. @param dots see {@link DataEncoderProps.dots} */
  rewind(dots: boolean): void {
    this.#encoder = new DataEncoder({ dots, lineLimit: this.#lineLimit });
    this.#at = 0;
    if (this.#again && this.#stream.taken) {
      this.#stream.end();
      this.#stream = new StreamReader(this.#open);
    }
  }

  /** The next part; null: that was all, {@link finish} follows. */
  next(): Buffer | null | Promise<Buffer | null> {
    if (this.#whole === null) {
      return this.#nextOfStream();
    }
    if (this.#at >= this.#whole.length) {
      return null;
    }
    const part = this.#whole.subarray(this.#at, this.#at + partSize);
    this.#at += part.length;
    return this.#encoder.push(part);
  }

  /** What ends the content. */
  finish(): Buffer {
    return this.#encoder.finish();
  }

  /** Nobody will ask for the rest. */
  cancel(): void {
    this.#stream.end();
  }

  async #nextOfStream(): Promise<Buffer | null> {
    const encoder = this.#encoder;
    const part = await this.#stream.next();
    return part === null ? null : encoder.push(part);
  }
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** What comes before the first empty line; null: there is none so far. */
function headerSection(content: Buffer): Buffer | null {
  const limit = Math.min(content.length, headerLimit);
  let start = 0;
  while (start < limit) {
    const first = content[start] === carriageReturn ? start + 1 : start;
    if (content[first] === lineFeed) {
      return content.subarray(0, start);
    }
    const end = content.indexOf(lineFeed, start);
    if (end < 0) {
      return null;
    }
    start = end + 1;
  }
  return null;
}
