/**
 * Content by BDAT (RFC 3030): chunks with their size ahead, the last one marked.
 *
 * With PIPELINING several chunks are under way; a refused one ends the message, and what was sent
 * behind it is answered all the same.
 */
import type { ReplyReader } from '../smtp/reply-reader.js';
import { ContentSender, endOfData, portion } from './content-sender.js';

/** Chunks that may be unanswered at a time. */
const window = 8;

export class ChunkSender extends ContentSender {
  /** Chunks without a reply. */
  #unanswered = 0;
  #refused = false;
  /** Parts of the next chunk. */
  #parts: Buffer[] = [];
  #size = 0;

  get ambiguous(): boolean {
    return this.finished && !this.#refused;
  }

  protected get ready(): boolean {
    return this.#unanswered < (this.props.pipelining ? window : 1);
  }

  start(): void {
    this.pump();
  }

  replied(reply: ReplyReader): void {
    const { transaction, done } = this.props;
    const wasRefused = this.#refused;
    this.#unanswered--;
    this.#refused ||= Math.floor(reply.code / 100) !== 2;
    if (this.finished && this.#unanswered === 0) {
      if (!wasRefused) {
        transaction.completed(reply, 'bdat');
      }
      done(!this.#refused);
      return;
    }
    if (this.#refused && !wasRefused) {
      this.finished = true;
      transaction.source.cancel();
      transaction.failRest(transaction.refusal(reply, 'bdat'));
    }
    if (!this.finished) {
      this.pump();
    } else if (this.#unanswered === 0) {
      done(false);
    }
  }

  unasked(): boolean {
    return false;
  }

  protected take(part: Buffer | null): void {
    if (part !== null) {
      if (part.length > 0) {
        this.#parts.push(part);
        this.#size += part.length;
      }
      if (this.#size >= portion) {
        this.#send(false);
      }
      return;
    }
    this.finished = true;
    const end = this.props.transaction.source.finish();
    this.#parts.push(end);
    this.#size += end.length;
    this.#send(true);
  }

  #send(last: boolean): void {
    const { conversation, options, farewell } = this.props;
    const { wire } = conversation;
    if (this.#unanswered === 0 && conversation.refusesEarly()) {
      return; // a reply too many would be taken for that of the next chunk, up to the last one
    }
    wire.say(`BDAT ${this.#size}${last ? ' LAST' : ''}\r\n`);
    for (const part of this.#parts) {
      wire.add(part);
    }
    this.#parts = [];
    this.#size = 0;
    this.#unanswered++;
    if (last) {
      wire.say(farewell);
      conversation.expect(1, endOfData, options.dataDoneTimeout);
    } else {
      conversation.expect(1, 'sending message body', options.dataXferTimeout, options.minDataRate);
    }
    wire.flush();
  }
}
