/** Chunks of a message (RFC 3030): what follows the envelope is the input. */
import { expect } from 'vitest';
import { fuzz, random } from './inputs.js';
import { play } from './smtpd-session.js';

const envelope = 'EHLO client.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n';
const parameters = {
  ...{ forbidUnauthPipelining: false, messageSizeLimit: 5000 },
  ...{ hardErrorLimit: 1000, softErrorLimit: 1000 },
  ...({ forbidBareNewline: 'no' } as const),
};

/** The content of the first message by the letter of the RFC; null: its chunks are not in order. */
function firstMessage(input: Buffer): string | null {
  let content = '';
  for (let at = 0; ; ) {
    const command = /^BDAT (\d{1,4})( LAST)?\r\n/.exec(input.toString('latin1', at));
    if (command === null) {
      return null;
    }
    const from = at + command[0].length;
    at = from + Number(command[1]);
    content += input.toString('latin1', from, at);
    if (at > input.length || content.length > parameters.messageSizeLimit) {
      return null;
    }
    if (command[2] !== undefined) {
      return content;
    }
  }
}

fuzz('bdat', async (input) => {
  const said = Buffer.concat([Buffer.from(envelope), input]);
  const whole = await play(parameters, said, () => said.length);
  const expected = firstMessage(input);
  if (expected !== null) {
    expect(withCrlf(whole.messages[0] ?? '')).toBe(withCrlf(expected));
  }
  expect(await play(parameters, said, () => 1)).toEqual(whole);
  expect(await play(parameters, said, () => random(40))).toEqual(whole);
});

/** Line ends may be mended and the last one added. */
function withCrlf(text: string): string {
  return text.replace(/\r*\n/g, '\n').replace(/\r*\n?$/, '\n');
}
