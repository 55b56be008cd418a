/**
 * Takes lines out of what was read, command lines on the server and reply lines on the client.
 *
 * The reader looks at a window of somebody else's memory (the read slab) and copies nothing as long
 * as a line lies whole in it; only a line cut by the end of a read is carried over, in at most
 * `limit` bytes. Whoever works on the same bytes in another framing (DATA, BDAT) moves `pos`.
 *
 * A line ends at LF and nowhere else: a CR inside is content (CVE-2023-51764). One CR before the
 * LF belongs to the end; without it `bareLf` is set and the dialogue decides. A line longer than
 * the limit is consumed to its end, cut, and marked `tooLong`.
 */

const LF = 10;
const CR = 13;
const none: Buffer = Buffer.alloc(0);

export class LineReader {
  /** The window: bytes from `pos` to `end` of `data` are not consumed. */
  data: Buffer = none;
  pos = 0;
  end = 0;

  /** The line found by the last {@link next}: bytes `from` to `to` of `line`, valid until the next call. */
  line: Buffer = none;
  from = 0;
  to = 0;
  /** The line ended in LF without CR. */
  bareLf = false;
  /** The line had more than `limit` bytes; the rest is lost. */
  tooLong = false;

  #limit: number;
  /** The window is memory of our own. */
  #held = false;
  #carry: Buffer = none;
  #carried = 0;
  #overflow = false;

  /** @param limit bytes in a line, its end not counted */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Another limit, for the lines from the next one on. */
  set limit(bytes: number) {
    this.#limit = bytes;
  }

  /** Gives the next bytes; what the last window had left comes before them. */
  open(data: Buffer, from: number, to: number): void {
    if (this.pos < this.end) {
      const rest = this.data.subarray(this.pos, this.end);
      this.data = Buffer.concat([rest, data.subarray(from, to)]);
      this.pos = 0;
      this.end = this.data.length;
      this.#held = true;
      return;
    }
    this.#held = false;
    this.data = data;
    this.pos = from;
    this.end = to;
  }

  /** Finds the next line. False: the window holds no further whole line and is used up. */
  next(): boolean {
    const { data, pos } = this;
    const at = pos < this.end ? data.indexOf(LF, pos) : -1;
    if (at < 0 || at >= this.end) {
      this.#append(pos, this.end);
      this.pos = this.end;
      return false;
    }
    this.pos = at + 1;
    if (this.#carried > 0 || this.#overflow) {
      this.#append(pos, at);
      this.#found(this.#carry, 0, this.#carried);
      this.#carried = 0;
    } else {
      this.#found(data, pos, at);
    }
    return true;
  }

  /** Makes the rest of the window independent of the memory it lies in. */
  hold(): void {
    if (this.pos >= this.end) {
      this.data = none;
      this.pos = 0;
      this.end = 0;
    } else if (!this.#held) {
      this.data = Buffer.from(this.data.subarray(this.pos, this.end));
      this.end -= this.pos;
      this.pos = 0;
      this.#held = true;
    }
  }

  /** Bytes that are read and not consumed, a piece of a line included. */
  get buffered(): number {
    return this.#carried + this.end - this.pos;
  }

  /** Throws away what is buffered. */
  clear(): void {
    this.data = none;
    this.pos = 0;
    this.end = 0;
    this.#carried = 0;
    this.#overflow = false;
  }

  #found(line: Buffer, from: number, to: number): void {
    const bareLf = to === from || line[to - 1] !== CR;
    const length = (bareLf ? to : to - 1) - from;
    this.line = line;
    this.from = from;
    this.tooLong = this.#overflow || length > this.#limit;
    this.to = from + Math.min(length, this.#limit);
    this.bareLf = bareLf;
    this.#overflow = false;
  }

  /** Carries a piece over; one byte more than the limit is kept, for the CR. */
  #append(from: number, to: number): void {
    const wanted = to - from;
    if (wanted === 0) {
      return;
    }
    const room = this.#limit + 1 - this.#carried;
    const taken = Math.min(wanted, room);
    this.#grow(this.#carried + taken);
    this.data.copy(this.#carry, this.#carried, from, from + taken);
    this.#carried += taken;
    if (taken < wanted) {
      this.#overflow = true;
      // The line's true last byte decides whether its end was CRLF.
      this.#carry[this.#carried - 1] = this.data[to - 1] ?? 0;
    }
  }

  #grow(size: number): void {
    if (size <= this.#carry.length) {
      return;
    }
    const larger = Buffer.allocUnsafe(Math.min(this.#limit + 1, Math.max(256, size * 2)));
    this.#carry.copy(larger, 0, 0, this.#carried);
    this.#carry = larger;
  }
}
