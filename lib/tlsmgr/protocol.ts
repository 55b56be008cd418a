/**
 * What is said over the socket of a tlsmgr service; pure, both ends.
 *
 * A frame is a length (4 bytes, of what follows) and a message: a number (4 bytes) that ties a reply to its request, a code (1
 * byte), and fields, each a length (4 bytes) and bytes. Numbers are big-endian, texts are UTF-8. The first frame is the service's: number
 * 0, code 0, fields protocol name and version. A frame with number 0 and code 1 comes unasked: the ticket keys have changed.
 *
 * Whatever else comes is a broken peer, whose connection ends. No secret but sessions goes this way: ticket keys are sealed.
 */
import { TlsError } from '../errors.js';

export const protocolName = 'mxtls-tlsmgr';
export const protocolVersion = '1';

/** Largest frame, its length not counted: a session of 16 KiB with a long id, or many keys. */
export const longestFrame = 64 * 1024;

/**
 * Requests, as Postfix's tlsmgr(8) has them, and what sends each change of ticket keys: its fields are the keys that the
 * client knows, for a service that was started anew and knows none.
 */
export const requests = {
  seed: 1,
  policy: 2,
  lookup: 3,
  update: 4,
  delete: 5,
  tktkey: 6,
  subscribe: 7,
} as const;

export type RequestName = keyof typeof requests;

/** Postfix's: done; no such thing, or it cannot be done; the request or the configuration is wrong. */
export const status = { ok: 0, fail: 1, error: 2 } as const;

/** Codes of what the service says unasked, with number 0. */
export const unasked = { announcement: 0, ticketKeys: 1 } as const;

export interface Message {
  /** Not negative, 32 bits. */
  readonly number: number;
  /** Of a request, {@link requests}; of a reply, {@link status}. */
  readonly code: number;
  readonly fields: readonly Buffer[];
}

const head = 5;

/** @throws TlsError `INVALID_ARGUMENT`: longer than a frame may be */
export function encode(number: number, code: number, fields: readonly Uint8Array[] = []): Buffer {
  const length = fields.reduce((sum, field) => sum + 4 + field.length, head);
  if (length > longestFrame) {
    throw new TlsError({ code: 'INVALID_ARGUMENT', message: `${length} bytes are no frame` });
  }
  const frame = Buffer.alloc(4 + length);
  frame.writeUInt32BE(length);
  frame.writeUInt32BE(number, 4);
  frame.writeUInt8(code, 8);
  let at = 4 + head;
  for (const field of fields) {
    frame.writeUInt32BE(field.length, at);
    frame.set(field, at + 4);
    at += 4 + field.length;
  }
  return frame;
}

/** Null: not a message. */
export function decode(frame: Buffer): Message | null {
  if (frame.length < head || frame.length > longestFrame) {
    return null;
  }
  const fields: Buffer[] = [];
  let at = head;
  while (at < frame.length) {
    const end = at + 4 <= frame.length ? at + 4 + frame.readUInt32BE(at) : Infinity;
    if (end > frame.length) {
      return null;
    }
    fields.push(frame.subarray(at + 4, end));
    at = end;
  }
  return { number: frame.readUInt32BE(0), code: frame.readUInt8(4), fields };
}

/** Takes messages out of a stream, in whatever pieces it comes; holds one frame at most. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);
  #broken = false;

  /** The messages that are complete now; null once what came is no protocol. */
  push(data: Buffer): readonly Message[] | null {
    if (this.#broken) {
      return null;
    }
    this.#held = this.#held.length === 0 ? data : Buffer.concat([this.#held, data]);
    const messages: Message[] = [];
    let at = 0;
    while (this.#held.length - at >= 4) {
      const length = this.#held.readUInt32BE(at);
      if (length < head || length > longestFrame) {
        return this.#break();
      }
      if (this.#held.length - at < 4 + length) {
        break;
      }
      const message = decode(Buffer.from(this.#held.subarray(at + 4, at + 4 + length)));
      if (message === null) {
        return this.#break();
      }
      messages.push(message);
      at += 4 + length;
    }
    this.#held = Buffer.from(this.#held.subarray(at));
    return messages;
  }

  #break(): null {
    this.#broken = true;
    this.#held = Buffer.alloc(0);
    return null;
  }
}

/** The service's first frame. */
export function announcement(): Buffer {
  return encode(0, unasked.announcement, [Buffer.from(protocolName), Buffer.from(protocolVersion)]);
}

/** What is wrong with a service's first message; null: nothing. */
export function announcementFault({ number, code, fields }: Message): string | null {
  const [name, version] = fields.map((field) => field.toString('latin1'));
  if (number !== 0 || code !== unasked.announcement || name !== protocolName) {
    return 'it is no tlsmgr of mxtls';
  }
  return version === protocolVersion
    ? null
    : `it speaks version ${JSON.stringify(version ?? '')}, not ${protocolVersion}`;
}
