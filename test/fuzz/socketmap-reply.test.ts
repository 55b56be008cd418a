/** Replies of a socketmap server: the same result in whatever pieces they come, and never more than was asked for. */
import { expect } from 'vitest';
import { NetstringReader, type NetstringResult, netstring } from '../../lib/maps/netstring.js';
import { fuzz, random } from './inputs.js';

const limit = 100_000;

function read(input: Buffer, size: () => number): NetstringResult {
  const reader = new NetstringReader(limit);
  let result: NetstringResult = { kind: 'more' };
  for (let at = 0; at < input.length && result.kind === 'more'; ) {
    const end = at + size();
    result = reader.push(input.subarray(at, end));
    at = end;
  }
  return result;
}

fuzz('socketmap-reply', (input) => {
  const whole = read(input, () => input.length);
  const bytes = read(input, () => 1);
  const some = read(input, () => 1 + random(20));
  // What follows a reply is noticed only if it comes with it.
  const same = whole.kind === 'fault' && bytes.kind === 'done' ? null : whole;
  if (same !== null) {
    expect(bytes).toEqual(same);
    expect(some).toEqual(same);
  }
  for (const result of [whole, bytes, some]) {
    if (result.kind === 'done') {
      expect(result.content.length).toBeLessThanOrEqual(limit);
      const said = netstring('').toString('latin1').replace('0', `${result.content.length}`);
      const again = Buffer.concat([
        Buffer.from(said.slice(0, -1)),
        result.content,
        Buffer.from(','),
      ]);
      expect(input.subarray(0, again.length)).toEqual(again);
    }
  }
});
