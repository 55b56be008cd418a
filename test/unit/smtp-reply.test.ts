import { describe, expect, test } from 'vitest';
import { formatReply, type Reply, reply, replyProblem, statusCode } from '../../lib/smtp/reply.js';
import { ReplyReader } from '../../lib/smtp/reply-reader.js';

function read(...lines: readonly string[]): { reader: ReplyReader; progress: string[] } {
  const reader = new ReplyReader();
  const progress = lines.map((line) => {
    const data = Buffer.from(line);
    return reader.push(data, 0, data.length);
  });
  return { reader, progress };
}

describe('formatReply', () => {
  test.each<[Reply, string]>([
    [reply(250, '2.1.5', 'Ok'), '250 2.1.5 Ok\r\n'],
    [reply(354, null, 'Go'), '354 Go\r\n'],
    [reply(354, '', 'Go'), '354 Go\r\n'],
    [{ code: 550, text: 'No' }, '550 No\r\n'],
    [reply(550, '5.7.1', 'first\nsecond'), '550-5.7.1 first\r\n550 5.7.1 second\r\n'],
    [reply(550, '5.7.1', 'first\r\nsecond'), '550-5.7.1 first\r\n550 5.7.1 second\r\n'],
  ])('%j', (value, wire) => {
    expect(formatReply(value)).toBe(wire);
  });

  test('a text cannot begin a line of its own', () => {
    expect(formatReply(reply(550, '5.7.1', 'a\rb\0c\x7f'))).toBe('550 5.7.1 a?b?c?\r\n');
  });
});

describe('replyProblem', () => {
  test.each<[Reply, string | null]>([
    [reply(250, '2.0.0', 'x'), null],
    [reply(250, null, 'x'), null],
    [reply(150, null, 'x'), 'reply code 150 is not between 200 and 599'],
    [reply(250.5, null, 'x'), 'reply code 250.5 is not between 200 and 599'],
    [reply(250, '5.0.0', 'x'), 'enhanced status code "5.0.0" does not suit reply code 250'],
    [reply(550, '5.1', 'x'), 'enhanced status code "5.1" does not suit reply code 550'],
    [{ code: 250, text: 7 as unknown as string }, 'reply text is not a string'],
  ])('%j', (value, problem) => {
    expect(replyProblem(value)).toBe(problem);
  });
});

test.each<[number, string, string]>([
  [250, '2.1.5 Ok', '2.1.5'],
  [550, '5.1.1', '5.1.1'],
  [550, 'No such user', '5.0.0'],
  [450, '5.1.1 contradicts itself', '4.0.0'],
  [550, '5.1.1234 too long', '5.0.0'],
])('statusCode(%i, %j) is %s', (code, text, status) => {
  expect(statusCode(code, text)).toBe(status);
});

describe('ReplyReader', () => {
  test('one line', () => {
    const { reader, progress } = read('250 2.0.0 Ok');
    expect(progress).toEqual(['done']);
    expect({ code: reader.code, lines: reader.lines, text: reader.text }).toEqual({
      code: 250,
      lines: ['2.0.0 Ok'],
      text: '250 2.0.0 Ok',
    });
    expect(reader.status).toBe('2.0.0');
  });

  test('several lines', () => {
    const { reader, progress } = read('550-5.1.1 first', '550-', '550 5.1.1 last');
    expect(progress).toEqual(['more', 'more', 'done']);
    expect(reader.text).toBe('550-5.1.1 first 550- 550 5.1.1 last');
    expect(reader.status).toBe('5.1.1');
  });

  test('a code alone is a reply', () => {
    const { reader, progress } = read('250');
    expect(progress).toEqual(['done']);
    expect(reader.text).toBe('250');
    expect(reader.status).toBe('2.0.0');
  });

  test.each([
    ['no digits', 'hello'],
    ['two digits', '25 x'],
    ['something behind the code', '250x'],
    ['nothing', ''],
    ['NUL bytes', '\0\0\0 x'],
  ])('what is no part of a reply changes nothing: %s', (_, line) => {
    const { reader, progress } = read('550-a', line, '550 b');
    expect(progress).toEqual(['more', 'garbage', 'done']);
    expect(reader.text).toBe('550-a 550 b');
  });

  test.each([
    ['100 x', 100],
    ['999 x', 999],
  ])('three digits are a code: %s', (line, code) => {
    const { reader, progress } = read(line);
    expect(progress).toEqual(['done']);
    expect(reader.code).toBe(code);
  });

  test('the last code counts', () => {
    const { reader } = read('250-a', '550 5.7.1 b');
    expect(reader.code).toBe(550);
    expect(reader.status).toBe('5.7.1');
    expect(reader.text).toBe('250-a 550 5.7.1 b');
  });

  test('neither what is kept nor what is shown is without bound', () => {
    const long = `250-${'x'.repeat(996)}`;
    const { reader } = read(...Array.from({ length: 100 }, () => long), '250 end');
    expect(reader.code).toBe(250);
    expect(reader.lines).toHaveLength(32);
    expect(reader.text).toHaveLength(2048);
  });

  test('reads the next reply after one that is done', () => {
    const { reader, progress } = read('250-a', '250 b', '354 c');
    expect(progress).toEqual(['more', 'done', 'done']);
    expect(reader.lines).toEqual(['c']);
  });
});
