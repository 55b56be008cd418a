/** The three messages of the demo: a plain one, a big one, and one with 8-bit content. */

export interface DemoMessage {
  readonly title: string;
  readonly sender: string;
  readonly recipient: string;
  /** Complete, lines end in CRLF. */
  readonly content: Buffer;
}

const sender = 'alice@client.example';
const mebibyte = 1024 * 1024;

/** @param date of the Date: header */
export function demoMessages(date: Date): readonly DemoMessage[] {
  return [
    { title: 'plain', sender, recipient: 'bob@mx.example', content: plain(date) },
    { title: 'big', sender, recipient: 'carol@mx.example', content: big(date) },
    { title: '8-bit', sender, recipient: 'dave@mx.example', content: eightBit(date) },
  ];
}

function header(date: Date, subject: string, more: readonly string[] = []): string {
  return [
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `From: Alice <${sender}>`,
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
  return Buffer.from(header(date, 'three dots') + lines.join('\r\n'), 'latin1');
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
  const encoding = ['Content-Type: application/octet-stream', 'Content-Transfer-Encoding: base64'];
  const lines = bytes.toString('base64').replace(/.{1,76}/g, '$&\r\n');
  return Buffer.from(header(date, 'six mebibytes', encoding) + lines, 'latin1');
}

/** UTF-8 text and every byte from 128 to 255. */
function eightBit(date: Date): Buffer {
  const encoding = ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit'];
  const upper = Buffer.from(Array.from({ length: 128 }, (_, index) => 128 + index));
  return Buffer.concat([
    Buffer.from(header(date, 'beyond ASCII', encoding), 'latin1'),
    Buffer.from('Grüße aus Köln, Χαίρετε, こんにちは.\r\n', 'utf8'),
    upper,
    Buffer.from('\r\n', 'latin1'),
  ]);
}
