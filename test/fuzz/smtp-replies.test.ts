/** Replies of a server: the same to us in whatever pieces they come, bounded, and never more than they say. */
import { expect } from 'vitest';
import { refused } from '../../lib/delivery/failure.js';
import { parseFeatures } from '../../lib/smtp/extensions.js';
import { LineReader } from '../../lib/smtp/line-reader.js';
import { ReplyReader } from '../../lib/smtp/reply-reader.js';
import { fuzz, random } from './inputs.js';

/** As `lib/delivery/conversation.ts` has it. */
const lineLimit = 2048;

interface Read {
  readonly code: number;
  readonly lines: readonly string[];
  readonly text: string;
  readonly status: string;
}

/** What was understood: whole replies, and lines that are none. */
function read(input: Buffer, size: () => number): readonly (Read | 'garbage')[] {
  const reader = new LineReader(lineLimit);
  const reply = new ReplyReader();
  const found: (Read | 'garbage')[] = [];
  // As with the slab, what was read is gone when the next bytes come.
  const slab = Buffer.alloc(Math.max(input.length, 1));
  for (let at = 0; at < input.length; ) {
    const piece = input.subarray(at, at + size());
    at += piece.length;
    piece.copy(slab);
    reader.open(slab, 0, piece.length);
    while (reader.next()) {
      const progress = reply.push(reader.line, reader.from, reader.to);
      if (progress === 'done') {
        const { code, lines, text, status } = reply;
        found.push({ code, lines, text, status });
      } else if (progress === 'garbage') {
        found.push('garbage');
      }
    }
    reader.hold();
    slab.fill(0x2d);
  }
  return found;
}

function expectProper({ code, lines, text, status }: Read): void {
  expect(code >= 0 && code <= 999).toBe(true);
  expect(text.length).toBeLessThanOrEqual(2048);
  expect(lines.join('').length).toBeLessThanOrEqual(32 * 1024);
  expect(lines.every((line) => !line.includes('\n'))).toBe(true);
  expect(status).toMatch(/^\d\.\d{1,3}\.\d{1,3}$/);
  expect(status.startsWith(`${Math.floor(code / 100)}.`)).toBe(true);
  const { status: outcome, dsn } = refused({ code, lines, text, status } as ReplyReader, text);
  expect(outcome === 'bounced' ? '5' : '4').toBe(dsn[0]);
  const { starttls, size, auth } = parseFeatures(lines);
  // Nothing is offered that no line of the reply says, the first one being the server's name.
  const said = lines.slice(1).map((line) => line.trim().toUpperCase());
  expect(starttls).toBe(said.some((line) => /^STARTTLS(?:\s|$)/.test(line)));
  expect(size === null || Number.isSafeInteger(size)).toBe(true);
  expect(auth.every((word) => /^\S+$/.test(word) && word === word.toUpperCase())).toBe(true);
}

fuzz('smtp-replies', (input) => {
  const whole = read(input, () => input.length);
  expect(read(input, () => 1)).toEqual(whole);
  expect(read(input, () => 1 + random(20))).toEqual(whole);
  for (const reply of whole) {
    if (reply !== 'garbage') {
      expectProper(reply);
    }
  }
});
