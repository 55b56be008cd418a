/**
 * A message on its way from the connection to the callback: chunks in, an async iterator out.
 *
 * No stream machinery: a small message is one chunk and costs two promises. When more than
 * `highWater` bytes wait, `push` says so and the connection stops reading until `onRoom`.
 */
import { TlsError } from '../errors.js';
import * as blocks from './blocks.js';
import type { SmtpdMessage } from './handlers.js';

const highWater = 128 * 1024;

interface Waiter {
  resolve(result: IteratorResult<Buffer, undefined>): void;
  reject(error: TlsError): void;
}

const finished: IteratorResult<Buffer, undefined> = { done: true, value: undefined };

export class IncomingMessage implements SmtpdMessage, AsyncIterator<Buffer, undefined> {
  bytes = 0;
  requiretls = false;
  /** Chunks are of use to somebody. */
  wanted = true;

  readonly #onRoom: () => void;
  #chunks: Buffer[] = [];
  #queued = 0;
  #full = false;
  #ended = false;
  #error: TlsError | null = null;
  #waiter: Waiter | null = null;
  #iterated = false;
  /** Chunks are lent: each until the next is asked for. */
  #lends = false;
  #lent: Buffer | null = null;

  /** @param onRoom called when chunks may come again after `push` said no */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  /** Memory for a chunk. */
  memory(size: number): Buffer {
    return this.#lends ? blocks.take(size) : Buffer.allocUnsafe(size);
  }

  /** Adds a chunk; false: no more for now, please. */
  push(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (!this.wanted) {
      return true;
    }
    if (this.#waiter !== null) {
      const waiter = this.#waiter;
      this.#waiter = null;
      waiter.resolve(this.#hand(chunk));
      return true;
    }
    this.#chunks.push(chunk);
    this.#queued += chunk.length;
    this.#full = this.#queued > highWater;
    return !this.#full;
  }

  /** The message is complete. */
  end(): void {
    this.#ended = true;
    this.#waiter?.resolve(finished);
    this.#waiter = null;
  }

  /** The rest will never come: whoever reads is told. No effect on a message that is complete. */
  fail(error: TlsError): void {
    if (this.#ended || this.#error !== null) {
      return;
    }
    this.#error = error;
    this.#chunks = [];
    this.#waiter?.reject(error);
    this.#waiter = null;
  }

  /** Nobody reads any more. */
  discard(): void {
    this.wanted = false;
    this.#chunks = [];
    this.#room(0);
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    if (this.#iterated) {
      throw new TlsError({
        code: 'INVALID_STATE',
        message: 'the message was read already; it can be iterated once',
      });
    }
    this.#iterated = true;
    return this;
  }

  borrowed(): AsyncIterable<Buffer> {
    const iterator = this[Symbol.asyncIterator]();
    this.#lends = true;
    return { [Symbol.asyncIterator]: () => iterator };
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#lent !== null) {
      blocks.give(this.#lent);
      this.#lent = null;
    }
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#room(this.#queued - chunk.length);
      return Promise.resolve(this.#hand(chunk));
    }
    if (this.#error !== null) {
      return Promise.reject(this.#error);
    }
    if (this.#ended || !this.wanted) {
      return Promise.resolve(finished);
    }
    if (this.#waiter !== null) {
      return Promise.reject(
        new TlsError({ code: 'INVALID_STATE', message: 'one next() at a time, please' }),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.discard();
    return Promise.resolve(finished);
  }

  #hand(chunk: Buffer): IteratorResult<Buffer, undefined> {
    this.#lent = this.#lends ? chunk : null;
    return { done: false, value: chunk };
  }

  #room(queued: number): void {
    this.#queued = queued;
    if (this.#full && queued <= highWater / 2) {
      this.#full = false;
      this.#onRoom();
    }
  }
}
