import { describe, expect, test } from 'vitest';
import { argumentAt, verbAt, verbEnd, verbs } from '../../lib/smtp/command.js';

function parse(text: string): { verb: string | null; argument: string } {
  const line = Buffer.from(`xx${text}yy`);
  const to = line.length - 2;
  const end = verbEnd(line, 2, to);
  return { verb: verbAt(line, 2, end), argument: argumentAt(line, end, to) };
}

describe('command line', () => {
  test.each(verbs)('%s is known, in any case', (verb) => {
    const mixed = verb.charAt(0) + verb.slice(1).toLowerCase();
    for (const text of [verb, verb.toLowerCase(), mixed]) {
      expect(parse(text)).toEqual({ verb, argument: '' });
      expect(parse(`${text} some thing `)).toEqual({ verb, argument: 'some thing' });
    }
  });

  test.each([
    '',
    'X',
    'STAR',
    'STARTTL',
    'STARTTLX',
    'MAILBOXX',
    'EHL\u000f',
    'E@LO',
    'RCP',
    ' NOOP',
    'RCPT\0',
  ])('%j is not known', (text) => {
    expect(parse(text).verb).toBeNull();
  });

  test('a bit off a letter is not the letter', () => {
    // 0x2d & 0xdf is 0x0d: only letters may fold.
    expect(parse('\u000dAIL').verb).toBeNull();
    expect(parse('-AIL').verb).toBeNull();
  });

  test('a tab separates, too', () => {
    expect(parse('MAIL\tFROM:<>')).toEqual({ verb: 'MAIL', argument: 'FROM:<>' });
  });

  test('arguments are UTF-8', () => {
    expect(parse('VRFY grüße').argument).toBe('grüße');
  });
});
