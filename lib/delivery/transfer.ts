/**
 * One message over an open conversation: envelope, content, the reply to its end (RFC 5321
 * section 3.3), pipelined where the server allows it (RFC 2920).
 */
import type { ResolvedSmtp } from '../config/options.js';
import type { Features } from '../smtp/extensions.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import { ChunkSender } from './chunk-sender.js';
import { type ContentSender, endOfData } from './content-sender.js';
import type { Conversation } from './conversation.js';
import { DataSender } from './data-sender.js';
import type { Failure } from './failure.js';
import type { Step, Transaction } from './transaction.js';

/** Ends a DATA phase that was granted though no recipient was (RFC 2920 section 3.1). */
const emptyMessage = '.\r\n';

export interface TransferProps {
  readonly conversation: Conversation;
  readonly transaction: Transaction;
  readonly features: Features;
  readonly options: ResolvedSmtp;
  /** No other message follows on this connection. */
  readonly last: boolean;
  /**
   * Called once, when every recipient has an outcome. `clean`: the server has ended the transaction,
   * too.
   */
  readonly done: (failure: Failure | null, clean: boolean) => void;
}

type State = 'envelope' | 'content' | 'cancel' | 'over';

export class Transfer {
  /** QUIT went out with the end of the message. */
  quitSaid = false;

  readonly #props: TransferProps;
  readonly #pipelining: boolean;
  readonly #bdat: boolean;
  #state: State = 'envelope';
  /** Commands of the envelope that are answered. */
  #answered = 0;
  #sender: ContentSender | null = null;
  #failure: Failure | null = null;

  constructor(props: TransferProps) {
    this.#props = props;
    this.#pipelining = props.features.pipelining;
    this.#bdat = props.transaction.usesBdat(props.features);
  }

  start(): void {
    const { conversation, transaction, features } = this.#props;
    if (conversation.refusesEarly() || this.#unsuitable()) {
      return;
    }
    const { where, timeout } = this.#awaiting('mail');
    const count = this.#pipelining ? this.#commands : 1;
    conversation.expect(count, where, timeout);
    for (let i = 0; i < count; i++) {
      conversation.wire.say(transaction.command(i, features));
    }
    conversation.wire.flush();
  }

  replied(reply: ReplyReader): void {
    switch (this.#state) {
      case 'envelope':
        this.#envelopeReplied(reply);
        break;
      case 'content':
        this.#sender?.replied(reply);
        break;
      case 'cancel':
        this.#over(null, true);
        break;
      default:
        this.#props.conversation.breakOff('sent a reply out of turn');
    }
  }

  unasked(reply: ReplyReader): boolean {
    return this.#state === 'content' && this.#sender?.unasked(reply) === true;
  }

  drained(): void {
    this.#sender?.drained();
  }

  /** The conversation is over. */
  failed(failure: Failure): void {
    if (this.#state === 'over') {
      return;
    }
    this.#failure = failure;
    if (this.#sender === null) {
      this.#props.transaction.failRest(failure);
      this.#over(failure, false);
      return;
    }
    if (this.#sender.ambiguous) {
      this.#failure = { ...failure, kind: 'ambiguous' };
    }
    this.#sender.failed(failure);
  }

  /** Commands before the content; with BDAT the chunks take the place of DATA. */
  get #commands(): number {
    return this.#props.transaction.commands - (this.#bdat ? 1 : 0);
  }

  /** The server cannot take this message at all. */
  #unsuitable(): boolean {
    const { transaction, features } = this.#props;
    const failure = transaction.unsuited(features);
    if (failure !== null) {
      transaction.failRest(failure);
      this.#over(null, true);
    }
    return failure !== null;
  }

  #envelopeReplied(reply: ReplyReader): void {
    const { conversation, transaction } = this.#props;
    const index = this.#answered++;
    const step = transaction.step(index);
    const failure = transaction.answered(index, reply);
    if (failure !== null && reply.code === 421 && transaction.settled) {
      conversation.destroy(); // the server goes
      this.#over(null, false);
    } else if (this.#answered === this.#commands) {
      this.#endOfEnvelope(step, failure);
    } else if (!this.#pipelining) {
      this.#next(index, step === 'mail' && failure !== null);
    } else {
      const { where, timeout } = this.#awaiting(transaction.step(index + 1));
      conversation.expect(0, where, timeout);
    }
  }

  /** Sends the next command in lock step, where there is a reason to. */
  #next(index: number, refused: boolean): void {
    const { conversation, transaction, features } = this.#props;
    const step = transaction.step(index + 1);
    if (refused || (step === 'data' && transaction.accepted === 0)) {
      this.#over(null, refused);
      return;
    }
    const { where, timeout } = this.#awaiting(step);
    conversation.ask(transaction.command(index + 1, features), where, timeout);
  }

  #endOfEnvelope(step: Step, failure: Failure | null): void {
    const { conversation, transaction, options } = this.#props;
    if (transaction.accepted > 0 && (this.#bdat || failure === null)) {
      this.#sendContent();
    } else if (step === 'data' && failure === null) {
      this.#state = 'cancel';
      conversation.ask(emptyMessage, endOfData, options.dataDoneTimeout);
    } else {
      this.#over(null, false);
    }
  }

  #sendContent(): void {
    const { conversation, transaction, options, last } = this.#props;
    if (conversation.refusesEarly()) {
      return;
    }
    this.#state = 'content';
    this.quitSaid = last && this.#pipelining;
    transaction.source.rewind(!this.#bdat);
    const Sender = this.#bdat ? ChunkSender : DataSender;
    this.#sender = new Sender({
      conversation,
      transaction,
      options,
      pipelining: this.#pipelining,
      farewell: this.quitSaid ? 'QUIT\r\n' : '',
      done: (clean) => this.#over(this.#failure, clean),
    });
    this.#sender.start();
  }

  #over(failure: Failure | null, clean: boolean): void {
    if (this.#state !== 'over') {
      this.#state = 'over';
      this.#props.done(failure, clean);
    }
  }

  #awaiting(step: Step): { readonly where: string; readonly timeout: number } {
    const { options } = this.#props;
    switch (step) {
      case 'mail':
        return { where: 'sending MAIL FROM', timeout: options.mailTimeout };
      case 'rcpt':
        return { where: 'sending RCPT TO', timeout: options.rcptTimeout };
      default:
        return { where: 'sending DATA command', timeout: options.dataInitTimeout };
    }
  }
}
