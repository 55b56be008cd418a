/**
 * Sending the content of a message, once the envelope is accepted: what both ways have in common.
 *
 * Parts are taken from the source as fast as the connection, and where need be the server, takes
 * them; only a stream that has nothing yet costs a promise.
 */
import type { ResolvedSmtp } from '../config/options.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import type { Conversation } from './conversation.js';
import { deferred, type Failure } from './failure.js';
import type { Transaction } from './transaction.js';

/** Content is written in portions of at least this many bytes, the last one excepted. */
export const portion = 32 * 1024;

export const endOfData = 'sending end of data -- message may be sent more than once';

export interface ContentSenderProps {
  readonly conversation: Conversation;
  readonly transaction: Transaction;
  readonly options: ResolvedSmtp;
  /** Several commands may be under way at once. */
  readonly pipelining: boolean;
  /** Said behind the end of the message; empty: nothing. */
  readonly farewell: string;
  /** Every recipient has an outcome. `clean`: the server expects the next transaction. */
  readonly done: (clean: boolean) => void;
}

export abstract class ContentSender {
  /** Everything has been sent, and the server has not answered: it may have the message or not. */
  abstract readonly ambiguous: boolean;
  protected readonly props: ContentSenderProps;
  /** No further part is to be sent. */
  protected finished = false;
  /** A part of the message is being waited for. */
  #waiting = false;

  constructor(props: ContentSenderProps) {
    this.props = props;
  }

  /** Begins. */
  abstract start(): void;
  abstract replied(reply: ReplyReader): void;
  /** A reply to nothing that was sent; false: it breaks the protocol. */
  abstract unasked(reply: ReplyReader): boolean;
  /** One part for the wire; null: that was the last one. */
  protected abstract take(part: Buffer | null): void;
  /** Another part may be sent now. */
  protected abstract get ready(): boolean;

  /** What was written has left. */
  drained(): void {
    this.pump();
  }

  /** The conversation is over, and with it this. */
  failed(failure: Failure): void {
    const known: Failure = this.ambiguous ? { ...failure, kind: 'ambiguous' } : failure;
    this.stop(known);
  }

  /** Sends parts until the connection, the server or the message makes us wait. */
  protected pump(): void {
    const { conversation, transaction } = this.props;
    while (!this.finished && !this.#waiting && !conversation.wire.blocked && this.ready) {
      const part = transaction.source.next();
      if (part instanceof Promise) {
        this.#waiting = true;
        part.then(
          (late) => this.#arrived(late),
          (error: unknown) => this.#unreadable(error),
        );
        return;
      }
      this.take(part);
    }
  }

  /** Ends it for all recipients without an outcome; nothing more is sent. */
  protected stop(failure: Failure): void {
    const { transaction, conversation } = this.props;
    if (!this.finished) {
      transaction.source.cancel();
    }
    this.finished = true;
    transaction.failRest(failure);
    conversation.destroy();
    this.props.done(false);
  }

  #arrived(part: Buffer | null): void {
    this.#waiting = false;
    if (!this.finished) {
      this.take(part);
      this.pump();
    }
  }

  /** The message cannot be read: what was sent of it must not become a message. */
  #unreadable(error: unknown): void {
    if (!this.finished) {
      const reason = error instanceof Error ? error.message : String(error);
      this.stop(deferred('refused', '4.3.0', `cannot read the message: ${reason}`));
    }
  }
}
