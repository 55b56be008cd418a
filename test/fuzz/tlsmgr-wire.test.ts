/**
 * Target functions: FrameReader, Requests.answer, announcementFault: what a process at either end of the tlsmgr socket may
 * say. Messages come out the same in any pieces, and each is answered with a status and no exception.
 */
import { strictEqual } from 'node:assert/strict';
import { MemorySessionStore } from '../../lib/session-cache/store.js';
import { announcementFault, encode, FrameReader, type Message } from '../../lib/tlsmgr/protocol.js';
import { Requests } from '../../lib/tlsmgr/requests.js';
import { fuzz } from './inputs.js';

function readAll(input: Buffer, step: number): readonly Message[] | null {
  const reader = new FrameReader();
  const messages: Message[] = [];
  for (let at = 0; at < input.length; at += step) {
    const some = reader.push(input.subarray(at, at + step));
    if (some === null) {
      return null;
    }
    messages.push(...some);
  }
  return messages;
}

const cache = { store: new MemorySessionStore({ timeout: 3600, limit: 100 }), timeout: 3600 };
const caches = { smtpd: cache, smtp: { store: null, timeout: 0 } };
const service = new Requests({ caches, keys: null, warn: () => undefined });

fuzz('tlsmgr-wire', async (input) => {
  const messages = readAll(input, 1 << 16);
  for (const step of [1, 7]) {
    strictEqual(JSON.stringify(readAll(input, step)), JSON.stringify(messages));
  }
  for (const message of messages ?? []) {
    announcementFault(message);
    const { code, fields } = await service.answer(message);
    strictEqual([0, 1, 2].includes(code), true);
    const [again] = new FrameReader().push(encode(message.number, code, fields)) ?? [];
    strictEqual(again?.fields.length, fields.length);
  }
});
