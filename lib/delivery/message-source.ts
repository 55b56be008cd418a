/**
 * The content of a message as the session takes it: part by part, ready for the wire.
 *
 * What is at hand is given at once; only a stream that has nothing yet costs a promise.
 */
import { DataEncoder } from '../smtp/data-encoder.js';
import type { MessageContent } from './report.js';

/** Parts of a message that is whole in memory; a TLS record has 16 KiB. */
const partSize = 64 * 1024;

export class MessageSource {
  readonly #whole: Buffer | null;
  readonly #stream: AsyncIterable<Buffer | string> | null;
  #iterator: AsyncIterator<Buffer | string> | null = null;
  readonly #lineLimit: number;
  #encoder = new DataEncoder();
  #at = 0;

  /** @param lineLimit see {@link DataEncoderProps.lineLimit} */
  constructor(content: MessageContent, lineLimit: number) {
    this.#lineLimit = lineLimit;
    const whole = typeof content === 'string' ? Buffer.from(content) : content;
    this.#whole = whole instanceof Uint8Array ? asBuffer(whole) : null;
    this.#stream = whole instanceof Uint8Array ? null : whole;
  }

  /** Bytes, before line ends and dots are put right; null when nobody knows. */
  get size(): number | null {
    return this.#whole?.length ?? null;
  }

  /** Can be sent from the beginning (again). */
  get rewindable(): boolean {
    return this.#whole !== null || this.#iterator === null;
  }

  /** Begins at the beginning. @param dots see {@link DataEncoderProps.dots} */
  rewind(dots: boolean): void {
    this.#encoder = new DataEncoder({ dots, lineLimit: this.#lineLimit });
    this.#at = 0;
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
    this.#end().catch(() => undefined);
  }

  async #end(): Promise<void> {
    await this.#iterator?.return?.();
  }

  async #nextOfStream(): Promise<Buffer | null> {
    this.#iterator ??= this.#stream?.[Symbol.asyncIterator]() ?? null;
    const result = await this.#iterator?.next();
    if (result === undefined || result.done === true) {
      return null;
    }
    const { value } = result;
    return this.#encoder.push(typeof value === 'string' ? Buffer.from(value) : asBuffer(value));
  }
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
