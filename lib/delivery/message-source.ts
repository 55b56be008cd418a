/**
 * The content of a message as the session takes it: part by part, ready for the wire.
 *
 * What is at hand is given at once; only a stream that has nothing yet costs a promise.
 */
import { DataEncoder } from '../smtp/data-encoder.js';
import type { MessageContent } from './report.js';

/** Parts of a message that is whole in memory; a TLS record has 16 KiB. */
const partSize = 64 * 1024;

/** Bytes that headers are looked for in. */
const headerLimit = 256 * 1024;

export class MessageSource {
  readonly #whole: Buffer | null;
  readonly #stream: AsyncIterable<Buffer | string> | null;
  #iterator: AsyncIterator<Buffer | string> | null = null;
  /** Parts of the stream that were read for the headers in them. */
  #held: Buffer[] = [];
  /** What went wrong with the stream meanwhile. */
  #failure: { readonly error: unknown } | null = null;
  /** A part of the stream has been sent. */
  #taken = false;
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
    return this.#whole !== null || !this.#taken;
  }

  /**
   * The header section, up to the first empty line: 256 KiB at most. Nothing is lost of a stream, which must not have been
   * begun; one that fails here fails when it is sent.
   */
  async headers(): Promise<Buffer> {
    if (this.#whole !== null) {
      return headerSection(this.#whole) ?? this.#whole.subarray(0, headerLimit);
    }
    let read = Buffer.alloc(0);
    while (read.length < headerLimit) {
      const part = await this.#read().catch((error: unknown) => this.#failed(error));
      if (part === null) {
        break;
      }
      this.#held.push(part);
      read = Buffer.concat([read, part]);
      const headers = headerSection(read);
      if (headers !== null) {
        return headers;
      }
    }
    return read;
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
    this.#taken = true;
    if (this.#held.length === 0 && this.#failure !== null) {
      throw this.#failure.error;
    }
    const part = this.#held.shift() ?? (await this.#read());
    return part === null ? null : this.#encoder.push(part);
  }

  #failed(error: unknown): null {
    this.#failure = { error };
    return null;
  }

  async #read(): Promise<Buffer | null> {
    this.#iterator ??= this.#stream?.[Symbol.asyncIterator]() ?? null;
    const result = await this.#iterator?.next();
    if (result === undefined || result.done === true) {
      return null;
    }
    const { value } = result;
    return typeof value === 'string' ? Buffer.from(value) : asBuffer(value);
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

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
