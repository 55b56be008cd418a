/** Command lines and messages of a client: whatever it sends, in whatever pieces. */
import { expect } from 'vitest';
import type { SmtpdParameters } from '../../lib/config/options.js';
import { fuzz, random } from './inputs.js';
import { play, type Transcript } from './smtpd-session.js';

const modes: readonly SmtpdParameters[] = [
  { forbidBareNewline: 'normalize' },
  { forbidBareNewline: 'reject' },
  { forbidBareNewline: 'note' },
  { forbidBareNewline: 'no' },
].map((mode) => ({
  ...mode,
  // What was sent ahead depends on the pieces, and so would the answer to it.
  ...{ forbidUnauthPipelining: false, saslAuthEnable: true, messageSizeLimit: 5000 },
  ...{ hardErrorLimit: 1000, softErrorLimit: 1000, forbidBareNewlineExclusions: [] },
})) as readonly SmtpdParameters[];

/** Replies are whole lines of a code and text; a callback never failed. */
function expectProper({ replies, messages }: Transcript): void {
  expect(replies).toMatch(/^(?:\d{3}(?:-[^\r\n]*\r\n\d{3})*(?: [^\r\n]*)?\r\n)*$/);
  expect(messages.filter((text) => text.startsWith('error: '))).toEqual([]);
}

// The first byte chooses how bare line feeds are dealt with.
fuzz('smtp-commands', async (input) => {
  const mode = modes[(input[0] ?? 0) % modes.length] ?? {};
  const said = input.subarray(1);
  const whole = await play(mode, said, () => said.length);
  expectProper(whole);
  expect(await play(mode, said, () => 1)).toEqual(whole);
  expect(await play(mode, said, () => random(20))).toEqual(whole);
});
