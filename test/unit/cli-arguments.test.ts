import { expect, test } from 'vitest';
import { formatHostPort, parseHostPort } from '../../lib/cli/address.js';
import { parseCommandLine } from '../../lib/cli/args.js';
import { demoMessages } from '../../lib/cli/demo-messages.js';

const specs = {
  from: { type: 'string' },
  to: { type: 'string', multiple: true },
  option: { type: 'string', short: 'o', multiple: true },
  json: { type: 'boolean' },
} as const;

test('options and positionals are told apart', () => {
  const args = parseCommandLine(
    ['--from', '', '--to=a', '-o', 'x=1', '--to', 'b', '-oy=-2', '--json', '-'],
    specs,
    1,
  );
  expect(args.string('from')).toBe('');
  expect(args.strings('to')).toEqual(['a', 'b']);
  expect(args.strings('option')).toEqual(['x=1', 'y=-2']);
  expect(args.flag('json')).toBe(true);
  expect(args.flag('help')).toBe(false);
  expect(args.positionals).toEqual(['-']);
});

test.each([
  [['--form', 'x'], 'unknown option "--form"; did you mean "--from"?'],
  [['-x'], 'unknown option "-x"'],
  [['--constructor'], 'unknown option "--constructor"'],
  [['--json=yes'], 'option "--json" takes no value'],
  [['--from'], 'option "--from" needs a value'],
  [['--from', 'a', '--from', 'b'], 'option "--from" is given twice'],
  [['one', 'two'], 'unexpected argument "two"'],
])('%j is refused', (args, message) => {
  expect(() => parseCommandLine(args, specs, 1)).toThrow(
    expect.objectContaining({ class: 'usage', code: 'COMMAND_LINE', message }),
  );
});

test('help wins over arguments that are too many', () => {
  expect(parseCommandLine(['one', 'two', '-h'], specs).flag('help')).toBe(true);
});

test.each([
  ['127.0.0.1:25', { host: '127.0.0.1', port: 25 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['localhost:65535', { host: 'localhost', port: 65535 }],
])('%s is a place to listen', (text, place) => {
  expect(parseHostPort(text, '--listen')).toEqual(place);
  expect(formatHostPort(place.host, place.port)).toBe(text);
});

test.each([
  '25',
  ':25',
  '127.0.0.1',
  '127.0.0.1:',
  '::1:25',
  '[127.0.0.1]:25',
  '[::1]',
  'a:65536',
  'a:-1',
  'a:1:2',
])('%s is no place to listen', (text) => {
  expect(() => parseHostPort(text, '--listen')).toThrow(
    expect.objectContaining({ code: 'COMMAND_LINE' }),
  );
});

test('the messages of the demo are what they are called', () => {
  const [plain, big, eightBit] = demoMessages(new Date(0)).map(({ content }) => content);
  expect(plain?.includes('\r\n.\r\n..two dots\r\n.one dot\r\n')).toBe(true);
  expect(big?.length).toBeGreaterThan(6 * 1024 * 1024);
  expect(big?.every((byte) => byte < 128)).toBe(true);
  expect(eightBit?.filter((byte) => byte >= 128).length).toBeGreaterThan(128);
});

test('all lines of the messages end in CRLF and fit into SMTP', () => {
  for (const { content } of demoMessages(new Date(0))) {
    const text = content.toString('latin1');
    expect(text.endsWith('\r\n')).toBe(true);
    expect(/[^\r]\n|\r[^\n]/.test(text)).toBe(false);
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
  }
});
