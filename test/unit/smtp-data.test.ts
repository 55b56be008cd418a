import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataDecoder } from '../../lib/smtp/data-decoder.js';
import { DataEncoder, type DataEncoderProps } from '../../lib/smtp/data-encoder.js';
import { OutputBuffer } from '../../lib/smtp/output-buffer.js';
import { addon } from '../../lib/addon.js';
import { bytewise, cut, whole } from '../helpers/pieces.js';
import { decodeByRule, type Reference } from '../helpers/reference-decoder.js';

interface Decoded {
  readonly message: string;
  /** What came behind the end. */
  readonly rest: string;
  readonly done: boolean;
  readonly bareLf: boolean;
}

function decode(pieces: readonly Buffer[]): Decoded {
  const decoder = new DataDecoder();
  let message = '';
  let rest = '';
  for (const piece of pieces) {
    const out = new OutputBuffer(Buffer.alloc(1));
    const used = decoder.push(piece, 0, piece.length, out);
    message += out.finish().toString('latin1');
    rest += piece.toString('latin1', used);
  }
  expect(decoder.bytes).toBe(message.length);
  return { message, rest, done: decoder.done, bareLf: decoder.sawBareLf };
}

function encode(pieces: readonly Buffer[], props: DataEncoderProps = {}): string {
  const encoder = new DataEncoder(props);
  const out = pieces.map((piece) => Buffer.from(encoder.push(piece)));
  return Buffer.concat([...out, encoder.finish()]).toString('latin1');
}

/** Line ends as the wire has them. */
function normalised(text: string): string {
  const lines = text.replace(/\r\n/g, '\n').replace(/\r/g, ' ').replace(/\n/g, '\r\n');
  return lines === '' || lines.endsWith('\r\n') ? lines : `${lines}\r\n`;
}

describe.each([
  ['in one read', whole],
  ['byte by byte', bytewise],
])('DataDecoder, %s', (_, split) => {
  test('takes a message out and leaves what follows', () => {
    expect(decode(split('Subject: x\r\n\r\nHello\r\n.\r\nQUIT\r\n'))).toEqual({
      message: 'Subject: x\r\n\r\nHello\r\n',
      rest: 'QUIT\r\n',
      done: true,
      bareLf: false,
    });
  });

  test('an empty message is a dot alone', () => {
    expect(decode(split('.\r\n'))).toMatchObject({ message: '', done: true });
  });

  test('removes one leading dot', () => {
    expect(decode(split('..a\r\n...\r\n.b\r\na.b.\r\n.\r\n')).message).toBe(
      '.a\r\n..\r\nb\r\na.b.\r\n',
    );
  });

  test('a dot, a CR and something else are content', () => {
    expect(decode(split('.\rx\r\n.\r\r\n.\r\n')).message).toBe('\rx\r\n\r\r\n');
  });

  test('a bare LF becomes CRLF and is told', () => {
    expect(decode(split('a\nb\n\nc\r\n.\r\n'))).toEqual({
      message: 'a\r\nb\r\n\r\nc\r\n',
      rest: '',
      done: true,
      bareLf: true,
    });
  });

  test('a stray CR ends no line', () => {
    expect(decode(split('a\r.\rb\r\n.\r\n')).message).toBe('a\r.\rb\r\n');
  });

  // SMTP smuggling, CVE-2023-51764: each of these has ended a message for some server.
  test.each([
    ['LF . LF', 'x\n.\nMAIL FROM:<evil@example>\r\n'],
    ['LF . CRLF', 'x\n.\r\nMAIL FROM:<evil@example>\r\n'],
    ['CRLF . LF', 'x\r\n.\nMAIL FROM:<evil@example>\r\n'],
    ['CR . CR', 'x\r.\rMAIL FROM:<evil@example>\r\n'],
    ['CR . CRLF', 'x\r.\r\nMAIL FROM:<evil@example>\r\n'],
    ['CRLF . CR', 'x\r\n.\rMAIL FROM:<evil@example>\r\n'],
    ['CRLF . CR CR LF', 'x\r\n.\r\r\nMAIL FROM:<evil@example>\r\n'],
    ['CR CRLF . CRLF', 'x\r\r\n.\r\nMAIL FROM:<evil@example>\r\n'],
    ['CRLF NUL . CRLF', 'x\r\n\0.\r\nMAIL FROM:<evil@example>\r\n'],
    ['CRLF . NUL CRLF', 'x\r\n.\0\r\nMAIL FROM:<evil@example>\r\n'],
    ['LF CR . CRLF', 'x\n\r.\r\nMAIL FROM:<evil@example>\r\n'],
    ['CR LF CR . CR LF CR', 'x\r\n\r.\r\n\rMAIL FROM:<evil@example>\r\n'],
  ])('smuggling: %s is no end of the message', (name, text) => {
    // CR CRLF has a true CRLF in it: the one vector that is an end by the letter of RFC 5321.
    const isEnd = name === 'CR CRLF . CRLF';
    const { done, message } = decode(split(text));
    expect(done).toBe(isEnd);
    expect(message.includes('MAIL FROM')).toBe(!isEnd);
  });

  test('after a dot between other line ends the true end still counts', () => {
    expect(decode(split('x\n.\r\n.\r\nNOOP\r\n'))).toMatchObject({
      message: 'x\r\n\r\n',
      rest: 'NOOP\r\n',
      done: true,
    });
  });
});

describe('DataDecoder', () => {
  test('throws away without a place to put it, and counts', () => {
    const decoder = new DataDecoder();
    const data = Buffer.from('..a\r\nb\n.\r\n.\r\nX');
    expect(decoder.push(data, 0, data.length, null)).toBe(data.length - 1);
    expect(decoder.bytes).toBe('.a\r\nb\r\n\r\n'.length);
  });

  test('looks at nothing beyond the part it was given', () => {
    const decoder = new DataDecoder();
    const slab = Buffer.from('ab\r\n.\r\nstale\n.\n');
    const out = new OutputBuffer(Buffer.alloc(8));
    expect(decoder.push(slab, 0, 2, out)).toBe(2);
    expect(decoder.push(slab, 2, 4, out)).toBe(4);
    expect(out.finish().toString()).toBe('ab\r\n');
    expect(decoder.done).toBe(false);
  });
});

describe('DataDecoder against the rules', () => {
  // Plain lines of every length, so that the passages without a branch begin and end everywhere.
  const unit = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('.', '\r', '\n', '\r\n', '\r\n.', '\r\n.\r\n') },
    { weight: 1, arbitrary: fc.nat(70).map((n) => 'a'.repeat(n)) },
    { weight: 1, arbitrary: fc.nat(900).map((n) => `${'b'.repeat(76)}\r\n`.repeat(n >> 5)) },
    { weight: 1, arbitrary: fc.nat(900).map((n) => 'c'.repeat(n)) },
  );
  const content = fc.array(unit, { maxLength: 24 }).map((parts) => parts.join(''));
  const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 });
  const framing = fc.constantFrom('dots' as const, 'chunks' as const);

  function decodeInPieces(wire: Buffer, kind: 'dots' | 'chunks', cuts: number[]): Reference {
    const decoder = new DataDecoder(kind);
    const parts: Buffer[] = [];
    let consumed = 0;
    for (const piece of cut(wire, cuts)) {
      const out = new OutputBuffer(Buffer.alloc(1));
      consumed += decoder.push(piece, 0, piece.length, out);
      parts.push(Buffer.from(out.finish()));
    }
    const { done, sawBareLf } = decoder;
    return { message: Buffer.concat(parts), consumed, done, sawBareLf };
  }

  test('property: whatever the content, the framing and the pieces', () => {
    fc.assert(
      fc.property(content, framing, sizes, (text, kind, cuts) => {
        const wire = Buffer.from(text);
        expect(decodeInPieces(wire, kind, cuts)).toEqual(decodeByRule(wire, kind === 'dots'));
      }),
      { numRuns: 1000 },
    );
  });

  test('property: byte by byte', () => {
    fc.assert(
      fc.property(content, framing, (text, kind) => {
        const wire = Buffer.from(text.slice(0, 400));
        expect(decodeInPieces(wire, kind, [1])).toEqual(decodeByRule(wire, kind === 'dots'));
      }),
      { numRuns: 200 },
    );
  });

  test('property: the room in the output is never exceeded, and more of it goes on', () => {
    fc.assert(
      fc.property(content, framing, fc.integer({ min: 2, max: 600 }), (text, kind, room) => {
        const wire = Buffer.from(text);
        const state = Uint32Array.of(kind === 'dots' ? 1 : 0, 0, 0, 0, 0, 0);
        const out = Buffer.alloc(room + 8, 1);
        const parts: Buffer[] = [];
        let at = 0;
        while (at < wire.length && state[2] === 0) {
          addon.decodeData(state, wire, at, wire.length, out.subarray(0, room), 0);
          at += state[4] ?? 0;
          parts.push(Buffer.from(out.subarray(0, state[5])));
          expect(out.subarray(room)).toEqual(Buffer.alloc(8, 1));
        }
        const { message, consumed } = decodeByRule(wire, kind === 'dots');
        expect([Buffer.concat(parts), at]).toEqual([message, consumed]);
      }),
      { numRuns: 1000 },
    );
  });

  const fresh = () => new Uint32Array(6);
  const bytes = Buffer.from('abc');
  test.each([
    ['a state that is too short', () => addon.decodeData(new Uint32Array(5), bytes, 0, 3, null, 0)],
    ['no such place', () => addon.decodeData(fresh().fill(8), bytes, 0, 3, null, 0)],
    ['a part beyond the data', () => addon.decodeData(fresh(), bytes, 0, 4, null, 0)],
    ['a part that ends before it begins', () => addon.decodeData(fresh(), bytes, 2, 1, null, 0)],
    ['a part that begins nowhere', () => addon.decodeData(fresh(), bytes, Number.NaN, 3, null, 0)],
    [
      'an output that begins behind its end',
      () => addon.decodeData(fresh(), bytes, 0, 3, bytes, 4),
    ],
  ])('native code refuses %s', (_, call) => {
    expect(call).toThrow('decodeData(state, data, from, to, out | null, at)');
  });
});

describe.each([
  ['in one piece', whole],
  ['byte by byte', bytewise],
])('DataEncoder, %s', (_, split) => {
  test.each([
    ['', '.\r\n'],
    ['a', 'a\r\n.\r\n'],
    ['a\r\n', 'a\r\n.\r\n'],
    ['a\n', 'a\r\n.\r\n'],
    ['.', '..\r\n.\r\n'],
    ['.\n', '..\r\n.\r\n'],
    ['a\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
    ['a\r\n.b\r\n..c\r\n', 'a\r\n..b\r\n...c\r\n.\r\n'],
    ['\n\n', '\r\n\r\n.\r\n'],
    ['a.b', 'a.b\r\n.\r\n'],
    ['a\r', 'a \r\n.\r\n'],
    ['a\r\r\nb', 'a \r\nb\r\n.\r\n'],
    ['\r.\r', ' . \r\n.\r\n'],
    ['a\n\r.\n', 'a\r\n .\r\n.\r\n'],
    ['a\n\0.\n\0', 'a\r\n .\r\n \r\n.\r\n'],
    ['a\n.\0\n', 'a\r\n.. \r\n.\r\n'],
  ])('%j leaves as %j', (text, wire) => {
    expect(encode(split(text))).toBe(wire);
  });

  // The outgoing side of SMTP smuggling: nothing but CRLF may look like a line end to anybody.
  test('smuggling: nothing but CRLF line ends and stuffed dots goes out', () => {
    const wire = encode(split('x\r.\r\ny\n.\nz\r\n.\r\nMAIL FROM:<evil@example>\r\n'));
    expect(wire.slice(0, -5)).not.toMatch(/(^|[^\r])\n|\r(?!\n)|\n\.(?!\.)/);
    expect(wire.endsWith('\r\n.\r\n')).toBe(true);
  });
});

describe('DataEncoder', () => {
  test('passes a clean chunk through uncopied', () => {
    const chunk = Buffer.from('Subject: x\r\n\r\nbody\r\n');
    expect(new DataEncoder().push(chunk)).toBe(chunk);
  });

  test('without dots only the line ends are put right', () => {
    expect(encode(whole('a\n.b\r'), { dots: false })).toBe('a\r\n.b \r\n');
    expect(encode(whole('a\r\n'), { dots: false })).toBe('a\r\n');
    expect(encode(whole(''), { dots: false })).toBe('');
  });

  test.each([
    ['12345\r\n12345', '12345\r\n12345\r\n.\r\n'],
    ['123456\r\n', '12345\r\n 6\r\n.\r\n'],
    ['1234567890a', '12345\r\n 6789\r\n 0a\r\n.\r\n'],
    ['12345.\n.', '12345\r\n .\r\n..\r\n.\r\n'],
    ['1234\r6', '1234 \r\n 6\r\n.\r\n'],
  ])('lines beyond the limit are broken: %j', (text, wire) => {
    for (const pieces of [whole(text), bytewise(text)]) {
      expect(encode(pieces, { lineLimit: 5 })).toBe(wire);
    }
  });

  const content = fc.string({ unit: fc.constantFrom('a', '.', '\r', '\n', '\r\n'), maxLength: 60 });
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 8 });

  test('property: what is encoded is decoded to the normalised message, however it is cut', () => {
    fc.assert(
      fc.property(content, sizes, sizes, (text, cutIn, cutOut) => {
        const wire = encode(cut(Buffer.from(text), cutIn));
        expect(decode(cut(Buffer.from(wire), cutOut))).toEqual({
          message: normalised(text),
          rest: '',
          done: true,
          bareLf: false,
        });
      }),
      { numRuns: 5000 },
    );
  });

  test('property: an encoder fed in any pieces gives the same as in one', () => {
    const props = fc.record({ dots: fc.boolean(), lineLimit: fc.integer({ min: 0, max: 6 }) });
    fc.assert(
      fc.property(content, sizes, props, (text, cuts, options) => {
        const wire = encode(whole(text), options);
        expect(encode(cut(Buffer.from(text), cuts), options)).toBe(wire);
        expect(wire).not.toMatch(/(^|[^\r])\n|\r(?!\n)/);
      }),
      { numRuns: 5000 },
    );
  });

  test('property: a decoder fed in any pieces gives the same as in one', () => {
    fc.assert(
      fc.property(content, sizes, (text, cuts) => {
        expect(decode(cut(Buffer.from(text), cuts))).toEqual(decode(whole(text)));
      }),
      { numRuns: 5000 },
    );
  });
});
