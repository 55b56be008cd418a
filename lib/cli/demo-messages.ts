/**
 * The messages of the demo: a plain one, a big one, one with 8-bit content, one in chunks, and one
 * between addresses beyond ASCII.
 */

export interface DemoMessage {
  readonly title: string;
  readonly sender: string;
  readonly recipient: string;
  /** Complete, lines end in CRLF. */
  readonly content: Buffer;
  /** To be sent by BDAT, not by DATA. */
  readonly bdat: boolean;
}

const alice = 'alice@client.example';
const elzbieta = 'elżbieta@client.example';
const aiko = '愛子@mx.example';
const mebibyte = 1024 * 1024;
const utf8Text = [
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
] as const;

/** @param date of the Date: header */
export function demoMessages(date: Date): readonly DemoMessage[] {
  const common = { sender: alice, bdat: false };
  return [
    { ...common, title: 'plain', recipient: 'bob@mx.example', content: plain(date) },
    { ...common, title: 'big', recipient: 'carol@mx.example', content: big(date) },
    { ...common, title: '8-bit', recipient: 'dave@mx.example', content: eightBit(date) },
    { ...common, title: 'chunked', recipient: 'erin@mx.example', content: big(date), bdat: true },
    { ...common, title: 'UTF-8', sender: elzbieta, recipient: aiko, content: international(date) },
  ];
}

interface HeaderProps {
  readonly date: Date;
  readonly subject: string;
  readonly from?: string;
  readonly more?: readonly string[];
}

function header({ date, subject, from = `Alice <${alice}>`, more = [] }: HeaderProps): string {
  return [
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `From: ${from}`,
    `Subject: ${subject}`,
    `Message-ID: <${subject.replace(/[^a-z]+/gi, '-')}@client.example>`,
    'MIME-Version: 1.0',
    ...more,
    '',
    '',
  ].join('\r\n');
}

/** Lines that begin with dots, and a line that is one: what the DATA command has to quote. */
function plain(date: Date): Buffer {
  const lines = ['Hello Bob,', '', '.', '..two dots', '.one dot', 'no dot.', '', 'Alice', ''];
  return Buffer.from(header({ date, subject: 'three dots' }) + lines.join('\r\n'), 'latin1');
}

/** 6 MiB of base64 lines from a small generator: the same on every machine, and not compressible. */
function big(date: Date): Buffer {
  const bytes = Buffer.allocUnsafe(4.5 * mebibyte);
  let state = 0x6d78746c;
  for (let at = 0; at < bytes.length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  const more = ['Content-Type: application/octet-stream', 'Content-Transfer-Encoding: base64'];
  const lines = bytes.toString('base64').replace(/.{1,76}/g, '$&\r\n');
  return Buffer.from(header({ date, subject: 'six mebibytes', more }) + lines, 'latin1');
}

/** UTF-8 text and every byte from 128 to 255. */
function eightBit(date: Date): Buffer {
  const upper = Buffer.from(Array.from({ length: 128 }, (_, index) => 128 + index));
  return Buffer.concat([
    Buffer.from(header({ date, subject: 'beyond ASCII', more: utf8Text }), 'latin1'),
    Buffer.from('Grüße aus Köln, Χαίρετε, こんにちは.\r\n', 'utf8'),
    upper,
    Buffer.from('\r\n', 'latin1'),
  ]);
}

/** A header that is UTF-8 itself (RFC 6532). */
function international(date: Date): Buffer {
  const from = `Elżbieta <${elzbieta}>`;
  const more = [`To: <${aiko}>`, ...utf8Text];
  return Buffer.from(`${header({ date, subject: 'zażółć', from, more })}Cześć!\r\n`, 'utf8');
}
