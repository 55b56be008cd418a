/** A growing piece of memory that message framing writes to. */
export class OutputBuffer {
  #data: Buffer;
  #length = 0;

  /** @param data what is written to as long as it suffices */
  constructor(data: Buffer) {
    this.#data = data;
  }

  get length(): number {
    return this.#length;
  }

  /** Appends bytes `from` to `to` of `source`. */
  copy(source: Buffer, from: number, to: number): void {
    const size = to - from;
    if (size > 0) {
      this.reserve(size);
      source.copy(this.#data, this.#length, from, to);
      this.#length += size;
    }
  }

  byte(value: number): void {
    this.reserve(1);
    this.#data[this.#length++] = value;
  }

  /** What was written. Nothing may be added afterwards. */
  finish(): Buffer {
    return this.#data.subarray(0, this.#length);
  }

  /** Makes room for `size` more bytes and returns the memory; whoever writes to it tells {@link wrote}. */
  reserve(size: number): Buffer {
    const needed = this.#length + size;
    if (needed > this.#data.length) {
      const larger = Buffer.allocUnsafe(needed + (needed >> 1));
      this.#data.copy(larger, 0, 0, this.#length);
      this.#data = larger;
    }
    return this.#data;
  }

  /** `size` bytes were written behind what was there. */
  wrote(size: number): void {
    this.#length += size;
  }
}
