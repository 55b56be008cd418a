/**
 * Receiving messages: DATA with its dots, BDAT chunk by chunk (RFC 3030).
 *
 * Takes bytes from the window and knows when a reply is due, to a message or to a chunk. A chunk
 * that is refused is read to its end all the same: the next command stands behind it.
 */
import { type ErrorCode, TlsError } from '../errors.js';
import type { LineReader } from '../smtp/line-reader.js';
import { type BareNewlines, bareLfReason } from './bare-newlines.js';
import { Content } from './content.js';
import type { SmtpdSession } from './handlers.js';
import type { Service } from './service.js';
import * as texts from './texts.js';
import type { Chunk, Transaction } from './transaction.js';

export interface ReceptionProps {
  readonly service: Service;
  readonly client: SmtpdSession;
  readonly mail: Transaction;
  readonly bareNewlines: BareNewlines;
  /** Logs a failure of the callback. */
  readonly failed: (error: unknown) => void;
  /** Reading may go on, or a reply may be due. */
  readonly wake: () => void;
}

export interface DueReply {
  readonly text: string;
  /** The mail transaction is over. */
  readonly final: boolean;
  /** The message itself, not a command, is refused. */
  readonly refused: boolean;
}

export class Reception {
  readonly #props: ReceptionProps;
  #content: Content | null = null;
  #chunk: Chunk | null = null;
  /** Bytes of the chunk that are still to come. */
  #left = 0;

  constructor(props: ReceptionProps) {
    this.#props = props;
  }

  /** The callback does not keep up: reading has to pause. */
  get full(): boolean {
    return this.#content?.full ?? false;
  }

  /** More bytes of content are to come before a reply is due. */
  get expecting(): boolean {
    return this.#chunk === null ? this.#content?.done === false : this.#left > 0;
  }

  /** Bytes of the message so far; null without a message. */
  get bytes(): number | null {
    return this.#content?.bytes ?? null;
  }

  get bareLfRefused(): boolean {
    return this.#content?.bareLfRefused ?? false;
  }

  /** DATA was granted. */
  data(): void {
    this.#open('dots');
  }

  /** BDAT has announced a chunk. */
  chunk(chunk: Chunk): void {
    this.#chunk = chunk;
    this.#left = chunk.size;
    if (chunk.refusal !== null) {
      this.#giveUp('the next chunk is larger than message_size_limit allows');
    }
    if (chunk.refusal === null && this.#content === null) {
      this.#open('chunks');
    }
    this.#endOfChunk();
  }

  feed(input: LineReader): void {
    if (this.#chunk === null) {
      this.#content?.feed(input, input.end);
      this.#checkBareLf();
      return;
    }
    const to = Math.min(input.end, input.pos + this.#left);
    this.#left -= to - input.pos;
    if (this.#chunk.refusal === null && this.#content !== null) {
      this.#content.feed(input, to);
      this.#checkBareLf();
    } else {
      input.pos = to;
    }
    this.#endOfChunk();
  }

  /** A message that is refused for a bare LF is read to its end, so that the client hears why. */
  #checkBareLf(): void {
    if (this.bareLfRefused) {
      this.#content?.abandon(new TlsError({ code: 'SMTP_PROTOCOL', message: bareLfReason }));
      this.#content?.message.discard();
    }
  }

  /** The reply that is due, once; null: not yet. */
  due(): DueReply | null {
    const chunk = this.#chunk;
    if (chunk === null) {
      return this.#bareLf() ?? this.#finished(this.#content?.reply ?? null);
    }
    if (this.#left > 0) {
      return null;
    }
    if (chunk.refusal !== null) {
      this.#chunk = null;
      return { text: chunk.refusal, final: chunk.last, refused: false };
    }
    if (this.bareLfRefused) {
      return this.#finished(this.#props.bareNewlines.reply);
    }
    if (chunk.last) {
      return this.#finished(this.#content?.reply ?? null);
    }
    this.#chunk = null;
    return this.#chunkReply(chunk);
  }

  /** The message that was on its way will not come. */
  abandon(code: ErrorCode): void {
    this.#content?.abandon(new TlsError({ code }));
    this.#content = null;
    this.#chunk = null;
  }

  #open(framing: 'dots' | 'chunks'): void {
    const { service, client, bareNewlines, failed, wake } = this.#props;
    this.#content = new Content({ service, client, bareNewlines, failed, wake, framing });
    this.#content.begin();
  }

  #endOfChunk(): void {
    if (this.#left === 0 && this.#chunk?.last === true && this.#chunk.refusal === null) {
      this.#content?.finish();
    }
  }

  /** A chunk in the middle of a message: acknowledged, or the end of the message's chances. */
  #chunkReply(chunk: Chunk): DueReply {
    const verdict = this.#content?.verdict ?? null;
    if (verdict === null || verdict.startsWith('2')) {
      return { text: texts.chunkOk(chunk.size), final: false, refused: false };
    }
    this.#props.mail.failBdat();
    this.#content = null;
    return { text: verdict, final: false, refused: true };
  }

  #bareLf(): DueReply | null {
    const { done = false, bareLfRefused = false } = this.#content ?? {};
    return done && bareLfRefused ? this.#finished(this.#props.bareNewlines.reply) : null;
  }

  #finished(text: string | null): DueReply | null {
    if (text === null) {
      return null;
    }
    this.#content = null;
    this.#chunk = null;
    return { text, final: true, refused: !text.startsWith('2') };
  }

  /** Nothing more of the message will be looked at. */
  #giveUp(message: string): void {
    this.#content?.abandon(new TlsError({ code: 'SMTP_PROTOCOL', message }));
    this.#content = null;
  }
}
