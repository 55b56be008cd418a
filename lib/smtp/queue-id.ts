/**
 * Names for messages in log lines: upper-case hex, in the manner of Postfix's short queue ids (five
 * digits of microseconds, then a number). Unique in a process; not meant as a file name.
 */

let counter = process.pid * 64;

export function nextQueueId(now: number = Date.now()): string {
  counter = (counter + 1) % 0x10000000;
  const micros = (now % 1000) * 1000 + (counter % 1000);
  return (
    (0x100000 + micros).toString(16).slice(1).toUpperCase() + counter.toString(16).toUpperCase()
  );
}
