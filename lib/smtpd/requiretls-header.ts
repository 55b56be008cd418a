/**
 * `requiretls_esmtp_header`: a request for REQUIRETLS (RFC 8689) as a header of the message, so that it is not lost between systems that
 * have no REQUIRETLS: content filters, mailboxes, queues.
 *
 * The message passes through in whatever pieces it comes. `Require-TLS-ESMTP: yes` in its header is a request, too; where MAIL has asked
 * and that is missing, it is put behind the last header. What is behind the header costs nothing.
 */

const LF = 10;
const [TAB, SPACE, COLON, DELETE] = [9, 32, 58, 127];
const name = 'require-tls-esmtp';
const header = 'Require-TLS-ESMTP: yes\r\n';
const nothing = Buffer.alloc(0);
/** Bytes of a line that are waited for: lines of a header are not longer (RFC 5322 section 2.1.1), and those that are need no second look. */
const longestLine = 1000;

export class RequiretlsHeader {
  /** Somebody has asked for it, as far as is known. */
  requested: boolean;

  /** The header is not to be added, any more. */
  #present: boolean;
  #done = false;
  /** A header has been seen: the next line may continue it. */
  #begun = false;
  /** The beginning of a line of which more is to come, not passed on yet. */
  #held: Buffer = nothing;
  /** The beginning of the line has been passed on. */
  #inLine = false;

  /** @param asked by MAIL */
  constructor(asked: boolean) {
    this.requested = asked;
    this.#present = !asked;
  }

  /** What is to be passed on now. */
  pass(chunk: Buffer): Buffer {
    if (this.#done) {
      return chunk;
    }
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = nothing;
    let from = 0;
    while (from < data.length) {
      const lf = data.indexOf(LF, from);
      if (lf < 0 && !this.#inLine && data.length - from < longestLine) {
        this.#held = Buffer.from(data.subarray(from)); // the chunk may be lent, and used again
        return data.subarray(0, from);
      }
      const to = lf < 0 ? data.length : lf + 1;
      if (!this.#inLine && !this.#isHeader(data, from, to)) {
        return this.#finish(data, from);
      }
      this.#inLine = lf < 0;
      from = to;
    }
    return data;
  }

  /** The message is over: what is left of it. */
  end(): Buffer {
    const left = this.#held;
    this.#held = nothing;
    return this.#done ? nothing : this.#finish(left, left.length);
  }

  #isHeader(data: Buffer, from: number, to: number): boolean {
    const first = data[from] ?? 0;
    if (first === SPACE || first === TAB) {
      return this.#begun;
    }
    const end = nameEnd(data, from, to);
    this.#begun ||= end > from;
    if (end - from === name.length && isRequest(data.toString('latin1', from, to))) {
      this.requested = true;
      this.#present = true;
    }
    return end > from;
  }

  /** The header ends before the line at `at`. */
  #finish(data: Buffer, at: number): Buffer {
    this.#done = true;
    if (this.#present) {
      return data;
    }
    const line = data[at] ?? LF;
    const separator = line === LF || line === 13 ? '' : '\r\n'; // what follows is no header and has to stay none
    return Buffer.concat([
      data.subarray(0, at),
      Buffer.from(header + separator),
      data.subarray(at),
    ]);
  }
}

/** Where the name of the field ends; `from`: this is no field. */
function nameEnd(data: Buffer, from: number, to: number): number {
  let end = from;
  while (end < to && isNameByte(data[end] ?? 0)) {
    end++;
  }
  let at = end;
  while (data[at] === SPACE || data[at] === TAB) {
    at++;
  }
  return at < to && data[at] === COLON ? end : from;
}

/** RFC 5322 section 3.6.8. */
function isNameByte(byte: number): boolean {
  return byte > SPACE && byte < DELETE && byte !== COLON;
}

function isRequest(line: string): boolean {
  const [, field = '', value = ''] = /^([^\s:]*)\s*:(.*)$/s.exec(line) ?? [];
  return field.toLowerCase() === name && value.trim().toLowerCase() === 'yes';
}
