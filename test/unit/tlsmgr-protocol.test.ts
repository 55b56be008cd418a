/** Frames of the tlsmgr socket: what is written is read, in any pieces, and nothing else is. */
import { expect, test } from 'vitest';
import {
  announcement,
  announcementFault,
  encode,
  FrameReader,
  longestFrame,
  type Message,
} from '../../lib/tlsmgr/protocol.js';

const fields = [Buffer.from('smtpd'), Buffer.alloc(0), Buffer.from([0, 255])];
const frame = encode(7, 3, fields);

function readAll(data: Buffer, step: number): readonly Message[] | null {
  const reader = new FrameReader();
  const messages: Message[] = [];
  for (let at = 0; at < data.length; at += step) {
    const some = reader.push(data.subarray(at, at + step));
    if (some === null) {
      return null;
    }
    messages.push(...some);
  }
  return messages;
}

test.each([1, 2, 3, 5, 1000])('what was written is read, in pieces of %i bytes', (step) => {
  const message = { number: 7, code: 3, fields };
  expect(readAll(Buffer.concat([frame, frame]), step)).toEqual([message, message]);
});

test('half a frame is no message yet', () => {
  expect(new FrameReader().push(frame.subarray(0, frame.length - 1))).toEqual([]);
});

test.each([
  ['a length of 0', Buffer.from([0, 0, 0, 0])],
  ['a length beyond the limit', Buffer.from([0, 1, 0, 1])],
  ['a huge length', Buffer.from([255, 255, 255, 255])],
  ['a field that ends outside', Buffer.from([0, 0, 0, 9, 0, 0, 0, 1, 1, 0, 0, 0, 1])],
  ['half a field length', Buffer.from([0, 0, 0, 7, 0, 0, 0, 1, 1, 0, 0])],
])('%s breaks the protocol, for good', (_, data) => {
  const reader = new FrameReader();
  expect(reader.push(data)).toBeNull();
  expect(reader.push(frame)).toBeNull();
});

test('more than a frame takes is an error of the caller', () => {
  expect(() => encode(1, 1, [Buffer.alloc(longestFrame)])).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
});

test('a service says what it is, and which version it speaks', () => {
  const [ours] = new FrameReader().push(announcement()) ?? [];
  expect(ours && announcementFault(ours)).toBeNull();
  const other = (name: string, version: string) =>
    announcementFault({ number: 0, code: 0, fields: [Buffer.from(name), Buffer.from(version)] });
  expect(other('mxtls-tlsmgr', '2')).toBe('it speaks version "2", not 1');
  expect(other('mxtls-tlsmgr\n', '1')).toBe('it is no tlsmgr of mxtls');
  expect(announcementFault({ number: 1, code: 0, fields: [] })).toBe('it is no tlsmgr of mxtls');
});
