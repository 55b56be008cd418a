/**
 * A message that comes as a stream: read once, part by part, after a look at what is at its beginning.
 */
import { Readable } from 'node:stream';
import type { MessageContent, MessageStream } from './report.js';

export type OpenStream = () => MessageStream | Promise<MessageStream>;

export class StreamReader {
  /** A part has been given away: this stream cannot be sent from its beginning any more. */
  taken = false;

  readonly #open: OpenStream;
  #iterator: Promise<AsyncIterator<Buffer | string>> | null = null;
  /** Parts that were looked at. */
  readonly #held: Buffer[] = [];
  /** What went wrong meanwhile. */
  #failure: { readonly error: unknown } | null = null;

  constructor(open: OpenStream) {
    this.#open = open;
  }

  /** What has been read when `enough` says so, or at the end. Nothing of it is lost; what fails here fails in `next`. */
  async peek(enough: (read: Buffer) => boolean): Promise<Buffer> {
    let read = Buffer.concat(this.#held);
    while (!enough(read)) {
      const part = await this.#read().catch((error: unknown) => this.#failed(error));
      if (part === null) {
        break;
      }
      this.#held.push(part);
      read = Buffer.concat([read, part]);
    }
    return read;
  }

  /** The next part; null: that was all. Rejects when the stream does. */
  async next(): Promise<Buffer | null> {
    this.taken = true;
    if (this.#held.length === 0 && this.#failure !== null) {
      throw this.#failure.error;
    }
    return this.#held.shift() ?? (await this.#read());
  }

  /** Nobody will ask for the rest. */
  end(): void {
    this.taken = true;
    const iterator = this.#iterator;
    iterator?.then((it) => it.return?.()).catch(() => undefined);
  }

  #failed(error: unknown): null {
    this.#failure = { error };
    return null;
  }

  async #read(): Promise<Buffer | null> {
    this.#iterator ??= this.#begin();
    const { done, value } = await (await this.#iterator).next();
    if (done === true) {
      return null;
    }
    return typeof value === 'string' ? Buffer.from(value) : asBuffer(value);
  }

  async #begin(): Promise<AsyncIterator<Buffer | string>> {
    const stream: MessageStream | null | undefined = await this.#open();
    if (typeof stream?.[Symbol.asyncIterator] !== 'function') {
      throw new TypeError('the function that makes the message did not return a stream');
    }
    return stream[Symbol.asyncIterator]();
  }
}

/** What can be read but once. */
export function isStream(message: MessageContent): message is MessageStream {
  return typeof message === 'object' && !(message instanceof Uint8Array);
}

export function streamOf(message: Exclude<MessageContent, OpenStream>): MessageStream {
  return isStream(message) ? message : Readable.from([message]);
}

export function asBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
