/** Netstrings (`5:hello,`), as far as the socketmap protocol needs them: one at a time, of a limited size. */

export function netstring(text: string): Buffer {
  const content = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${content.length}:`), content, Buffer.from(',')]);
}

export type NetstringResult =
  | { readonly kind: 'more' }
  | { readonly kind: 'done'; readonly content: Buffer }
  | { readonly kind: 'fault'; readonly text: string };

/** Takes one netstring out of pieces. What follows it is a fault: nobody has asked for that yet. */
export class NetstringReader {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes of the whole netstring; null while its length is not read. */
  #wanted: number | null = null;
  #start = 0;

  /** @param limit largest content in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): NetstringResult {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#wanted === null) {
      const result = this.#readLength();
      if (result !== null) {
        return result;
      }
    }
    return this.#finish();
  }

  /** @returns null when it is read */
  #readLength(): NetstringResult | null {
    const digits = String(this.#limit).length;
    const head = Buffer.concat(this.#chunks)
      .subarray(0, digits + 1)
      .toString('latin1');
    const match = /^(0|[1-9]\d*):/.exec(head);
    if (match?.[1] === undefined) {
      if (!/^(?:0|[1-9]\d*)?$/.test(head)) {
        return { kind: 'fault', text: 'input format error' };
      }
      return head.length > digits
        ? { kind: 'fault', text: 'input exceeds size limit' }
        : { kind: 'more' };
    }
    const length = Number(match[1]);
    if (length > this.#limit) {
      return { kind: 'fault', text: 'input exceeds size limit' };
    }
    this.#start = match[0].length;
    this.#wanted = this.#start + length + 1;
    return null;
  }

  #finish(): NetstringResult {
    const wanted = this.#wanted ?? 0;
    if (this.#size < wanted) {
      return { kind: 'more' };
    }
    const all = Buffer.concat(this.#chunks);
    return all.length === wanted && all[wanted - 1] === 0x2c
      ? { kind: 'done', content: all.subarray(this.#start, wanted - 1) }
      : { kind: 'fault', text: 'input format error' };
  }
}
