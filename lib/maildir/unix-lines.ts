/**
 * CRLF becomes LF, whatever pieces the text comes in: files of a Maildir are text files of this
 * system. A CR without LF stays; where every LF had its CR, nothing is lost.
 */

const cr = 13;
const lf = 10;

export class UnixLines {
  /** The last byte was a CR, and what follows decides. */
  #held = false;

  push(piece: Buffer): Buffer {
    const out = Buffer.allocUnsafe(piece.length + 1);
    let length = 0;
    if (this.#held) {
      out[length++] = cr;
    }
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i] ?? 0;
      if (byte === lf && length > 0 && out[length - 1] === cr) {
        length--;
      }
      out[length++] = byte;
    }
    this.#held = length > 0 && out[length - 1] === cr;
    return out.subarray(0, this.#held ? length - 1 : length);
  }

  /** What was held back. */
  finish(): Buffer {
    const rest = this.#held ? Buffer.of(cr) : Buffer.alloc(0);
    this.#held = false;
    return rest;
  }
}
