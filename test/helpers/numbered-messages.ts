/**
 * Messages from 1 KB to 1 MB whose content follows from their number: whoever gets one can tell
 * which it is, and whether every byte of it is as it was sent.
 */

export type LineEnd = '\r\n' | '\n';

interface Pool {
  readonly text: Buffer;
  /** Where lines begin; the last entry is the end. */
  readonly starts: readonly number[];
}

const smallest = 1024;
const largest = 1024 * 1024;
const poolLines = 40_000;

/** A small generator (mulberry32): the same numbers everywhere. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Lines as mail has them, and such as framing finds hard: empty ones, dots, bytes beyond ASCII. */
function makeLines(): readonly Buffer[] {
  const random = generator(1);
  const specials = ['', '.', '..', '.dot', 'Grüße', '250 2.0.0 Ok', 'QUIT'];
  return Array.from({ length: poolLines }, () => {
    if (random() < 0.2) {
      return Buffer.from(specials[Math.floor(random() * specials.length)] ?? '');
    }
    const length = Math.floor(random() * 120);
    return Buffer.from(Array.from({ length }, () => 32 + Math.floor(random() * 95)));
  });
}

function makePool(lines: readonly Buffer[], lineEnd: LineEnd): Pool {
  const end = Buffer.from(lineEnd);
  const starts = [0];
  for (const line of lines) {
    starts.push((starts.at(-1) ?? 0) + line.length + end.length);
  }
  return { text: Buffer.concat(lines.flatMap((line) => [line, end])), starts };
}

const lines = makeLines();
const pools = { '\r\n': makePool(lines, '\r\n'), '\n': makePool(lines, '\n') } as const;

/** The message with this number; small ones are as frequent as big ones, per order of magnitude. */
export function numberedMessage(number: number, lineEnd: LineEnd = '\r\n'): Buffer {
  const random = generator(number);
  const size = smallest * (largest / smallest) ** random();
  const { starts } = pools['\r\n'];
  const first = Math.floor(random() * poolLines * 0.5);
  let last = first;
  while (last < poolLines && (starts[last] ?? 0) - (starts[first] ?? 0) < size) {
    last++;
  }
  const pool = pools[lineEnd];
  const body = pool.text.subarray(pool.starts[first], pool.starts[last]);
  return Buffer.concat([Buffer.from(`Number: ${number}${lineEnd}${lineEnd}`), body]);
}

/**
 * The number of a message that has arrived; header fields that were put before it do not count.
 * Null when it is not exactly what was sent.
 */
export function numberOf(content: Buffer, lineEnd: LineEnd = '\r\n'): number | null {
  const at = content.indexOf('Number: ');
  const number = at < 0 ? null : /^Number: (\d+)$/m.exec(content.toString('latin1', at, at + 40));
  if (number === null) {
    return null;
  }
  const sent = numberedMessage(Number(number[1]), lineEnd);
  return content.subarray(at).equals(sent) ? Number(number[1]) : null;
}
