/**
 * The engines' end of a native connection: lines in, text out, reading on and off.
 *
 * What is said in a turn leaves in one write. The native side takes one write at a time: while it
 * has one pending (`blocked`) more is only collected. Reading is asked for and called off where it
 * changes, not on every turn.
 */
import type { NativeConnection, NativeContext, StartTlsProps } from '../native.js';
import { changeToTls, type Role } from '../start-tls.js';
import { LineReader } from './line-reader.js';

export class Wire {
  readonly input: LineReader;
  /** A write is pending; `drained` tells of its end. */
  blocked = false;

  #connection: NativeConnection;
  #out = '';
  #parts: Buffer[] = [];
  #size = 0;
  #reading = false;
  #ended = false;

  /** @param lineLimit longest line in bytes */
  constructor(connection: NativeConnection, lineLimit: number) {
    this.#connection = connection;
    this.input = new LineReader(lineLimit);
  }

  get connection(): NativeConnection {
    return this.#connection;
  }

  /** Goes on with another connection, which reads nothing yet; the one before had nothing pending. */
  moveTo(connection: NativeConnection): void {
    this.#connection = connection;
    this.#reading = false;
  }

  /** Adds to what the next {@link flush} writes. */
  say(text: string): void {
    this.#out += text;
  }

  /** Adds content to what the next {@link flush} writes; `data` must stay as it is. */
  add(data: Buffer): void {
    this.#settleText();
    this.#parts.push(data);
    this.#size += data.length;
  }

  /** Bytes of content that wait for {@link flush}. */
  get waiting(): number {
    return this.#size;
  }

  /** Writes what was collected, for {@link end} or {@link finish} to follow where it is the `last`; false: it, or something before it, is pending. */
  flush(last = false): boolean {
    if (this.blocked) {
      return false;
    }
    const data = this.#collected();
    if (data !== null && this.connection.open) {
      this.blocked = !this.connection.write(data, last);
    }
    return !this.blocked;
  }

  /** The pending write is done; writes what was collected meanwhile. */
  drained(): boolean {
    this.blocked = false;
    return this.flush();
  }

  /** Begins the handshake; what was read and not used is dealt with. @throws as {@link changeToTls} */
  startTls(role: Role, context: NativeContext, props: StartTlsProps | null): void {
    this.#reading = false; // native code reads nothing until it is asked again
    changeToTls(this.connection, role, this.input, context, props);
  }

  /** Ends our side after what is pending; reading goes on so that the peer's end is seen. */
  end(): void {
    if (!this.#ended && this.connection.open) {
      this.#ended = true;
      this.connection.end();
      this.read(true);
    }
  }

  /** Ends our side likewise and closes: there is nothing to come from the peer that anybody wants. */
  finish(): void {
    if (!this.#ended && this.connection.open) {
      this.#ended = true;
      this.connection.finish();
    }
  }

  /** Our side is ended, or will be when the pending write is done. */
  get ended(): boolean {
    return this.#ended;
  }

  /** A limit for each read and write, in milliseconds. */
  setTimeout(ms: number): void {
    if (this.connection.open) {
      this.connection.setTimeout(ms);
    }
  }

  /** A limit for a whole request; see {@link NativeConnection.setDeadline}. */
  setDeadline(ms: number, minDataRate: number): void {
    if (this.connection.open) {
      this.connection.setDeadline(ms, minDataRate);
    }
  }

  /** Reads from now on, or not. */
  read(wanted: boolean): void {
    if (wanted === this.#reading || !this.connection.open) {
      return;
    }
    this.#reading = wanted;
    if (wanted) {
      this.connection.readStart();
    } else {
      this.connection.readStop();
    }
  }

  #collected(): Buffer | string | null {
    if (this.#parts.length === 0) {
      const text = this.#out;
      this.#out = '';
      return text === '' ? null : text;
    }
    this.#settleText();
    const parts = this.#parts;
    this.#parts = [];
    this.#size = 0;
    return parts.length === 1 ? (parts[0] ?? null) : Buffer.concat(parts);
  }

  #settleText(): void {
    if (this.#out !== '') {
      const text = Buffer.from(this.#out);
      this.#out = '';
      this.#parts.push(text);
      this.#size += text.length;
    }
  }
}
