import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineReader } from '../../lib/smtp/line-reader.js';
import { bytewise, cut } from '../helpers/pieces.js';

interface Line {
  readonly text: string;
  readonly bareLf: boolean;
  readonly tooLong: boolean;
}

/** All lines there are now; memory is overwritten afterwards, as the slab would be. */
function take(reader: LineReader): Line[] {
  const lines: Line[] = [];
  while (reader.next()) {
    const { line, from, to, bareLf, tooLong } = reader;
    lines.push({ text: line.toString('latin1', from, to), bareLf, tooLong });
  }
  return lines;
}

/** Feeds pieces through one piece of memory that every read overwrites. */
function feed(reader: LineReader, pieces: readonly Buffer[]): Line[] {
  const slab = Buffer.alloc(4096, 10);
  return pieces.flatMap((piece) => {
    slab.fill(10);
    piece.copy(slab);
    reader.open(slab, 0, piece.length);
    return take(reader);
  });
}

describe('LineReader', () => {
  test('finds several lines in one read', () => {
    const reader = new LineReader(100);
    expect(feed(reader, [Buffer.from('EHLO a\r\nNOOP\r\n')])).toEqual([
      { text: 'EHLO a', bareLf: false, tooLong: false },
      { text: 'NOOP', bareLf: false, tooLong: false },
    ]);
  });

  test('carries a line over that is cut at every byte', () => {
    const reader = new LineReader(100);
    expect(feed(reader, bytewise('EHLO a\r\n\r\nX\n')).map(({ text }) => text)).toEqual([
      'EHLO a',
      '',
      'X',
    ]);
  });

  test('ends a line at LF only: a CR inside is content', () => {
    const reader = new LineReader(100);
    expect(feed(reader, [Buffer.from('a\rb\r\r\n')])).toEqual([
      { text: 'a\rb\r', bareLf: false, tooLong: false },
    ]);
  });

  test('tells a bare LF', () => {
    const reader = new LineReader(100);
    expect(feed(reader, [Buffer.from('a\n'), Buffer.from('b'), Buffer.from('\n')])).toEqual([
      { text: 'a', bareLf: true, tooLong: false },
      { text: 'b', bareLf: true, tooLong: false },
    ]);
  });

  test.each([
    ['in one read', (text: string) => [Buffer.from(text)]],
    ['byte by byte', bytewise],
  ])('cuts a line beyond the limit and consumes the rest, %s', (_, split) => {
    const reader = new LineReader(4);
    expect(feed(reader, split('1234\r\n12345\r\n123456\n12\r\n'))).toEqual([
      { text: '1234', bareLf: false, tooLong: false },
      { text: '1234', bareLf: false, tooLong: true },
      { text: '1234', bareLf: true, tooLong: true },
      { text: '12', bareLf: false, tooLong: false },
    ]);
  });

  test('keeps no more of a line than the limit', () => {
    const reader = new LineReader(16);
    for (let i = 0; i < 100; i++) {
      reader.open(Buffer.alloc(1000, 0x61), 0, 1000);
      expect(reader.next()).toBe(false);
    }
    expect(reader.buffered).toBeLessThanOrEqual(17);
    reader.open(Buffer.from('\r\nok\r\n'), 0, 6);
    expect(take(reader)).toEqual([
      { text: 'a'.repeat(16), bareLf: false, tooLong: true },
      { text: 'ok', bareLf: false, tooLong: false },
    ]);
  });

  test('hold() makes the rest independent of the slab', () => {
    const reader = new LineReader(100);
    const slab = Buffer.from('one\r\ntwo\r\nthr');
    reader.open(slab, 0, slab.length);
    expect(reader.next()).toBe(true);
    reader.hold();
    slab.fill(0);
    expect(take(reader).map(({ text }) => text)).toEqual(['two']);
    const more = Buffer.from('ee\r\n');
    reader.open(more, 0, more.length);
    expect(take(reader).map(({ text }) => text)).toEqual(['three']);
  });

  test('what is held comes before what is read next', () => {
    const reader = new LineReader(100);
    reader.open(Buffer.from('a\r\nb\r\n'), 0, 6);
    reader.next();
    reader.hold();
    reader.open(Buffer.from('c\r\n'), 0, 3);
    expect(take(reader).map(({ text }) => text)).toEqual(['b', 'c']);
  });

  test('clear() forgets whole lines and pieces', () => {
    const reader = new LineReader(100);
    reader.open(Buffer.from('pie'), 0, 3);
    reader.next();
    expect(reader.buffered).toBe(3);
    reader.open(Buffer.from('ce\r\nline\r\n'), 0, 10);
    expect(reader.buffered).toBe(13);
    reader.clear();
    expect(reader.buffered).toBe(0);
    reader.open(Buffer.from('new\r\n'), 0, 5);
    expect(take(reader).map(({ text }) => text)).toEqual(['new']);
  });

  test('property: any cutting of the bytes gives the same lines', () => {
    const content = fc.string({
      unit: fc.constantFrom('a', 'b', '\r', '\n', '.', ' '),
      maxLength: 80,
    });
    fc.assert(
      fc.property(
        content,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (text, cuts) => {
          const inOne = feed(new LineReader(12), [Buffer.from(text)]);
          expect(feed(new LineReader(12), cut(Buffer.from(text), cuts))).toEqual(inOne);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
