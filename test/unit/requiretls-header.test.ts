/** `Require-TLS-ESMTP: yes`: seen, and added where it is missing, in whatever pieces the message comes. */
import { describe, expect, test } from 'vitest';
import { RequiretlsHeader } from '../../lib/smtpd/requiretls-header.js';

interface Passed {
  readonly text: string;
  readonly requested: boolean;
}

/** The message in pieces of `size` bytes. */
function pass(message: string, asked: boolean, size = Number.POSITIVE_INFINITY): Passed {
  const header = new RequiretlsHeader(asked);
  const data = Buffer.from(message, 'latin1');
  const out: Buffer[] = [];
  for (let at = 0; at < data.length; at += Math.min(size, data.length)) {
    const chunk = Buffer.from(data.subarray(at, Math.min(at + size, data.length)));
    out.push(Buffer.from(header.pass(chunk)));
    chunk.fill(0); // memory that is used again
  }
  out.push(header.end());
  return { text: Buffer.concat(out).toString('latin1'), requested: header.requested };
}

const added = 'Require-TLS-ESMTP: yes\r\n';
const long = `X: ${'a'.repeat(5000)}\r\n`;

/** Name, what is before the place of the header, what is behind it. */
const messages: readonly (readonly [string, string, string])[] = [
  ['header and body', 'Subject: x\r\n', '\r\nbody\r\n'],
  ['a header that is continued', 'To: a,\r\n b,\r\n\tc\r\nSubject: x\r\n', '\r\nbody\r\n'],
  ['blanks before the colon', 'Subject : x\r\nTo\t: y\r\n', '\r\nbody\r\n'],
  ['a header alone', 'Subject: x\r\n', ''],
  ['no header', '', '\r\nbody\r\n'],
  ['nothing at all', '', ''],
  ['long lines', `${long}Subject: x\r\n${long}`, `\r\n${long}${long}`],
  ['a long line that is continued', `${long} ${long}`, '\r\nbody'],
  ['something like it in the body', 'Subject: x\r\n', `\r\n${added}`],
  ['another value', 'Require-TLS-ESMTP: no\r\n', '\r\nbody\r\n'],
  ['a value that goes on', 'Require-TLS-ESMTP: yes\r\n and no\r\n'.replace('yes', 'ye'), '\r\n'],
  ['a longer name', 'Require-TLS-ESMTP-2: yes\r\nX-Require-TLS-ESMTP: yes\r\n', '\r\nbody\r\n'],
  ['a name without a colon', 'Subject: x\r\n', '\r\nRequire-TLS-ESMTP\r\n'],
];

const sizes = [1, 2, 3, 7, 64, 999, 1000, 1001, Number.POSITIVE_INFINITY];

describe.each(messages)('%s', (_, before, behind) => {
  test('MAIL has asked: it is put behind the last header', () => {
    for (const size of sizes) {
      expect(pass(before + behind, true, size)).toEqual({
        text: before + added + behind,
        requested: true,
      });
    }
  });

  test('nobody has asked: nothing changes', () => {
    for (const size of sizes) {
      const text = before + behind;
      expect(pass(text, false, size)).toEqual({ text, requested: false });
    }
  });
});

test.each(['Require-TLS-ESMTP: yes', 'require-tls-esmtp:YES', 'REQUIRE-TLS-ESMTP \t:  Yes \t'])(
  '%s: is a request, and not added again',
  (line) => {
    for (const text of [`${line}\r\n\r\n`, `To: x\r\n${line}\r\nCc: y\r\n\r\nbody\r\n`]) {
      for (const asked of [true, false]) {
        for (const size of sizes) {
          expect(pass(text, asked, size)).toEqual({ text, requested: true });
        }
      }
    }
  },
);

test.each([
  ['a body without a header', '', 'hello\r\nworld\r\n'],
  ['a line that is no header', 'Subject: x\r\n', 'hello\r\n'],
  ['a long line that is no header', 'Subject: x\r\n', `${'a'.repeat(3000)}\r\n`],
  ['a continuation of nothing', '', ' hello\r\n'],
])('%s: an empty line keeps it apart', (_, before, behind) => {
  for (const size of sizes) {
    expect(pass(before + behind, true, size).text).toBe(`${before}${added}\r\n${behind}`);
  }
});

test('lines that end in a bare LF count', () => {
  expect(pass('Subject: x\nRequire-TLS-ESMTP: yes\n\nbody\n', false).requested).toBe(true);
  expect(pass('Subject: x\n\nbody\n', true).text).toBe(`Subject: x\n${added}\nbody\n`);
});
