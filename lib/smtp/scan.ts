/**
 * The one search that message framing stands on.
 *
 * Nearly all of a message is plain lines that end in CRLF and do not begin with a dot; they pass
 * through in one piece. This finds the next place where that is not so.
 */

const LF = 10;
const CR = 13;
const DOT = 46;

/**
 * The first line end between `from` and `to` that needs a look: an LF without a CR before it, or
 * one that a dot follows, or one that is the last byte (what follows it is not here yet). -1: none.
 * The byte before `from` counts as a CR when `afterCr` is set.
 */
export function findLineEvent(data: Buffer, from: number, to: number, afterCr: boolean): number {
  let at = data.indexOf(LF, from);
  while (at >= 0 && at < to) {
    const cr = at === from ? afterCr : data[at - 1] === CR;
    if (!cr || at + 1 === to || data[at + 1] === DOT) {
      return at;
    }
    at = data.indexOf(LF, at + 1);
  }
  return -1;
}
