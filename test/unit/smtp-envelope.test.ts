import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Extension, isReply, parseMail, parseRcpt } from '../../lib/smtp/envelope.js';
import { isAddress, parsePath } from '../../lib/smtp/path.js';
import { formatReply } from '../../lib/smtp/reply.js';
import { decodeXtext, encodeXtext } from '../../lib/smtp/xtext.js';

const all: ReadonlySet<Extension> = new Set(['SMTPUTF8', 'DSN', 'AUTH', 'REQUIRETLS']);
const none: ReadonlySet<Extension> = new Set();

describe('paths', () => {
  test.each([
    ['FROM:<a@example.com>', 'a@example.com', ''],
    ['from:<a@example.com>', 'a@example.com', ''],
    ['FROM: <a@example.com>', 'a@example.com', ''],
    ['FROM:<>', '', ''],
    ['FROM:<> SIZE=1', '', 'SIZE=1'],
    ['FROM:<a@example.com>  SIZE=1 BODY=7BIT', 'a@example.com', 'SIZE=1 BODY=7BIT'],
    ['FROM:a@example.com SIZE=1', 'a@example.com', 'SIZE=1'],
    ['FROM:<postmaster>', 'postmaster', ''],
    ['FROM:<@a.example,@b.example:c@example.com>', 'c@example.com', ''],
    ['FROM:<"a b"@example.com>', '"a b"@example.com', ''],
    ['FROM:<"a>b\\""@example.com> X', '"a>b\\""@example.com', 'X'],
    ['FROM:<a@[192.0.2.1]>', 'a@[192.0.2.1]', ''],
    ['FROM:<a@[IPv6:2001:db8::1]>', 'a@[IPv6:2001:db8::1]', ''],
    ['FROM:<a+b=c/d@sub.example.com>', 'a+b=c/d@sub.example.com', ''],
    ['FROM:<grüße@bücher.example>', 'grüße@bücher.example', ''],
  ])('%s', (text, address, parameters) => {
    expect(parsePath(text, 'FROM')).toEqual({ address, parameters });
  });

  test.each([
    'FROM:<',
    'FROM:<a@example.com',
    'FROM:<a@example.com>x',
    'FROM:<a b@example.com>',
    'FROM:<a@exa mple.com>',
    'FROM:<<a@example.com>>',
    'FROM:<a@>',
    'FROM:<@example.com>',
    'FROM:<a@b@example.com>',
    'FROM:<a@example..com>',
    'FROM:<a@.example.com>',
    'FROM:<"a@example.com>',
    'FROM:<a\u0000b@example.com>',
    'FROM:<a\rb@example.com>',
    'FROM:<a@exam\rple.com>',
    'FROM:<a\ufffd@example.com>',
    'FROM:<a@[1.2.3.4>',
  ])('%j is malformed', (text) => {
    expect(parsePath(text, 'FROM')).toEqual({ address: null });
  });

  test.each(['', 'TO:<a@example.com>', '<a@example.com>', 'FROM <a@example.com>', 'FROM: '])(
    '%j lacks the keyword, or all behind it',
    (text) => {
      expect(parsePath(text, 'FROM')).toBeNull();
    },
  );

  test('property: whatever comes out has no control characters and no bare bracket', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const path = parsePath(`TO:${text}`, 'TO');
        if (path !== null && path.address !== null) {
          expect(path.address).not.toMatch(/[\u0000-\u001f\u007f]/);
          expect(isAddress(path.address)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('MAIL', () => {
  test('takes all parameters that are offered', () => {
    const text =
      'FROM:<a@example.com> SIZE=1000 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=QQ+2B1 AUTH=<>';
    expect(parseMail(text, all)).toEqual({
      address: 'a@example.com',
      size: 1000,
      body: '8BITMIME',
      smtputf8: true,
      requiretls: true,
      ret: 'HDRS',
      envid: 'QQ+1',
      auth: '<>',
    });
  });

  test.each([
    ['', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['TO:<a@example.com>', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['FROM:<a b>', '501 5.1.7 Bad sender address syntax'],
    ['FROM:<a@example.com> SIZE=x', '501 5.5.4 Bad message size syntax'],
    ['FROM:<a@example.com> SIZE', '555 5.5.4 Unsupported option: SIZE'],
    ['FROM:<a@example.com> BODY=9BIT', '555 5.5.4 Unsupported option: BODY=9BIT'],
    ['FROM:<a@example.com> RET=ALL', '501 5.5.4 Bad RET parameter syntax'],
    ['FROM:<a@example.com> RET=FULL RET=HDRS', '501 5.5.4 Bad RET parameter syntax'],
    ['FROM:<a@example.com> ENVID=a=b', '501 5.5.4 Bad ENVID parameter syntax'],
    ['FROM:<a@example.com> SMTPUTF8=yes', '555 5.5.4 Unsupported option: SMTPUTF8=yes'],
    ['FROM:<a@example.com> FOO=bar', '555 5.5.4 Unsupported option: FOO=bar'],
    ['FROM:<a@example.com> __proto__', '555 5.5.4 Unsupported option: __proto__'],
    ['FROM:<ü@example.com>', '553 5.6.7 Must declare SMTPUTF8 to send unicode address'],
  ])('%j is refused', (text, wire) => {
    const result = parseMail(text, all);
    expect(isReply(result) && formatReply(result)).toBe(`${wire}\r\n`);
  });

  test.each(['SMTPUTF8', 'REQUIRETLS', 'AUTH=x'])(
    '%s is unknown where it is not offered',
    (word) => {
      const result = parseMail(`FROM:<a@example.com> ${word}`, none);
      expect(result).toMatchObject({ code: 555, text: `Unsupported option: ${word}` });
    },
  );

  test.each(['RET=FULL', 'ENVID=x'])('%s needs DSN', (word) => {
    const result = parseMail(`FROM:<a@example.com> ${word}`, none);
    expect(result).toMatchObject({ code: 501, text: 'DSN support is disabled' });
  });

  test('SIZE and BODY do no harm where they are not offered', () => {
    const sender = parseMail('FROM:<a@example.com> SIZE=1 BODY=7BIT', none);
    expect(sender).toMatchObject({ size: 1, body: '7BIT' });
  });

  test('a SIZE beyond all numbers is a large number', () => {
    const sender = parseMail(`FROM:<a@example.com> SIZE=${'9'.repeat(400)}`, all);
    expect(sender).toMatchObject({ size: Number.MAX_SAFE_INTEGER });
  });
});

describe('RCPT', () => {
  test('takes NOTIFY and ORCPT', () => {
    expect(
      parseRcpt(
        'TO:<b@example.com> NOTIFY=success,DELAY ORCPT=rfc822;b+2Bc@example.com',
        all,
        false,
      ),
    ).toEqual({
      address: 'b@example.com',
      notify: ['SUCCESS', 'DELAY'],
      orcpt: 'rfc822;b+c@example.com',
    });
  });

  test.each([
    ['', '501 5.5.4 Syntax: RCPT TO:<address>'],
    ['TO:<>', '501 5.1.3 Bad recipient address syntax'],
    ['TO:<a b>', '501 5.1.3 Bad recipient address syntax'],
    ['TO:<b@example.com> NOTIFY=NEVER,DELAY', '501 5.5.4 Error: Bad NOTIFY parameter syntax'],
    [
      'TO:<b@example.com> NOTIFY=DELAY NOTIFY=DELAY',
      '501 5.5.4 Error: Bad NOTIFY parameter syntax',
    ],
    ['TO:<b@example.com> NOTIFY=', '501 5.5.4 Error: Bad NOTIFY parameter syntax'],
    ['TO:<b@example.com> ORCPT=b@example.com', '501 5.5.4 Error: Bad ORCPT parameter syntax'],
    ['TO:<b@example.com> SIZE=1', '555 5.5.4 Unsupported option: SIZE=1'],
    ['TO:<ü@example.com>', '553 5.6.7 Must declare SMTPUTF8 to send unicode address'],
  ])('%j is refused', (text, wire) => {
    const result = parseRcpt(text, all, false);
    expect(isReply(result) && formatReply(result)).toBe(`${wire}\r\n`);
  });

  test('a word of NOTIFY counts once', () => {
    const recipient = parseRcpt('TO:<b@example.com> NOTIFY=DELAY,DELAY', all, false);
    expect(recipient).toMatchObject({ notify: ['DELAY'] });
  });

  test('takes a unicode address under SMTPUTF8', () => {
    expect(parseRcpt('TO:<ü@example.com>', all, true)).toMatchObject({ address: 'ü@example.com' });
  });
});

describe('xtext', () => {
  test('property: what is encoded is decoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!/[\u0000-\u001f\u007f\ufffd]/.test(text));
        expect(decodeXtext(encodeXtext(text))).toBe(text);
      }),
    );
  });

  test.each(['a b', 'a=b', 'a+', 'a+4', 'a+4g', 'a+0D', 'a+FF'])('%j is refused', (text) => {
    expect(decodeXtext(text)).toBeNull();
  });
});
