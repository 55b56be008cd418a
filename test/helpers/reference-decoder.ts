/**
 * What taking a message out of DATA or BDAT means, in the plainest form: byte by byte, one state. The
 * decoder in native code is compared with it.
 */
const LF = 10;
const CR = 13;
const DOT = 46;

export interface Reference {
  readonly message: Buffer;
  /** Bytes up to the end of the message, or all. */
  readonly consumed: number;
  readonly done: boolean;
  readonly sawBareLf: boolean;
}

/** Decodes all of `wire`; see `native/binding/data_decoder.h` for the rules. */
export function decodeByRule(wire: Buffer, dots: boolean): Reference {
  const message: number[] = [];
  let sawBareLf = false;
  /** What the line before ended in; the first line stands behind the CRLF of the command. */
  let before: 'crlf' | 'lf' = 'crlf';
  let at = 0;
  while (at < wire.length) {
    const lf = wire.indexOf(LF, at);
    const end = lf < 0 ? wire.length : lf + 1;
    const line = wire.subarray(at, end);
    const stuffed = dots && line[0] === DOT;
    at = end;
    if (stuffed && before === 'crlf' && line.equals(Buffer.from('.\r\n'))) {
      return { message: Buffer.from(message), consumed: at, done: true, sawBareLf };
    }
    const text = stuffed ? line.subarray(1) : line;
    if (lf < 0) {
      message.push(...text);
      // As long as it may be the end, the CR behind a dot is kept back.
      if (stuffed && text.length === 1 && text[0] === CR) {
        message.pop();
      }
      break;
    }
    const bare = line.length < 2 || line[line.length - 2] !== CR;
    message.push(...text.subarray(0, text.length - (bare ? 1 : 2)), CR, LF);
    before = bare ? 'lf' : 'crlf';
    sawBareLf ||= bare;
  }
  return { message: Buffer.from(message), consumed: at, done: false, sawBareLf };
}
