/**
 * One message over an open conversation: envelope, content, the reply to its end (RFC 5321
 * section 3.3), pipelined where the server allows it (RFC 2920).
 */
import type { ResolvedSmtp } from '../config/options.js';
import type { Features } from '../smtp/extensions.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import type { Conversation } from './conversation.js';
import { deferred, type Failure } from './failure.js';
import type { Step, Transaction } from './transaction.js';

/** Content is written in portions of about this many bytes. */
const portion = 32 * 1024;

/** Ends a DATA phase that was granted though no recipient was (RFC 2920 section 3.1). */
const emptyMessage = '.\r\n';

export interface TransferProps {
  readonly conversation: Conversation;
  readonly transaction: Transaction;
  readonly features: Features;
  readonly options: ResolvedSmtp;
  /** No other message follows on this connection. */
  readonly last: boolean;
  /** Called once, when every recipient has an outcome. */
  readonly done: (failure: Failure | null) => void;
}

type State = 'envelope' | 'content' | 'dot' | 'cancel' | 'over';

export class Transfer {
  /** QUIT went out with the end of the message. */
  quitSaid = false;

  readonly #props: TransferProps;
  readonly #pipelining: boolean;
  #state: State = 'envelope';
  /** Commands of the envelope that are answered. */
  #answered = 0;
  /** A part of the message is being waited for. */
  #waiting = false;

  constructor(props: TransferProps) {
    this.#props = props;
    this.#pipelining = props.features.pipelining;
  }

  start(): void {
    const { conversation, transaction, features } = this.#props;
    if (conversation.refusesEarly() || this.#unsuitable()) {
      return;
    }
    const { where, timeout } = this.#awaiting('mail');
    const count = this.#pipelining ? transaction.commands : 1;
    conversation.expect(count, where, timeout);
    for (let i = 0; i < count; i++) {
      conversation.wire.say(transaction.command(i, features));
    }
    conversation.wire.flush();
  }

  /** The server cannot take this message at all. */
  #unsuitable(): boolean {
    const { transaction, features } = this.#props;
    const failure = transaction.unsuited(features);
    if (failure !== null) {
      transaction.failRest(failure);
      this.#over(null);
    }
    return failure !== null;
  }

  replied(reply: ReplyReader): void {
    switch (this.#state) {
      case 'envelope':
        this.#envelopeReplied(reply);
        break;
      case 'dot':
        this.#props.transaction.completed(reply);
        this.#over(null);
        break;
      case 'cancel':
        this.#over(null);
        break;
      default:
        this.#props.conversation.breakOff('sent a reply out of turn');
    }
  }

  /** A refusal while the content is on its way counts; everything else is out of turn. */
  unasked(reply: ReplyReader): boolean {
    if (this.#state !== 'content' || reply.code < 400) {
      return false;
    }
    this.#props.transaction.rejectedEarly(reply);
    this.#giveUp();
    return true;
  }

  drained(): void {
    if (this.#state === 'content') {
      this.#pump();
    }
  }

  /** The conversation is over. */
  failed(failure: Failure): void {
    if (this.#state === 'content') {
      this.#props.transaction.source.cancel();
    }
    const known: Failure = this.#state === 'dot' ? { ...failure, kind: 'ambiguous' } : failure;
    this.#props.transaction.failRest(known);
    this.#over(known);
  }

  #envelopeReplied(reply: ReplyReader): void {
    const { conversation, transaction } = this.#props;
    const index = this.#answered++;
    const step = transaction.step(index);
    const failure = transaction.answered(index, reply);
    if (failure !== null && reply.code === 421) {
      transaction.failRest(failure); // the server goes; what it accepted so far is void
      this.#giveUp();
    } else if (step === 'data') {
      if (failure === null) {
        this.#dataAccepted();
      } else {
        this.#over(null);
      }
    } else if (this.#pipelining) {
      const { where, timeout } = this.#awaiting(transaction.step(index + 1));
      conversation.expect(0, where, timeout);
    } else {
      this.#next(index, step === 'mail' && failure !== null);
    }
  }

  /** Sends the next command in lock step, where there is a reason to. */
  #next(index: number, refused: boolean): void {
    const { conversation, transaction, features } = this.#props;
    const step = transaction.step(index + 1);
    if (refused || (step === 'data' && transaction.accepted === 0)) {
      this.#over(null);
      return;
    }
    const { where, timeout } = this.#awaiting(step);
    conversation.ask(transaction.command(index + 1, features), where, timeout);
  }

  #dataAccepted(): void {
    const { conversation, transaction, options } = this.#props;
    if (conversation.refusesEarly()) {
      return;
    }
    if (transaction.accepted === 0) {
      this.#state = 'cancel';
      conversation.ask(emptyMessage, endOfData, options.dataDoneTimeout);
      return;
    }
    this.#state = 'content';
    conversation.expect(0, 'sending message body', options.dataXferTimeout);
    this.#pump();
  }

  /** Sends content until the connection, or the message, makes us wait. */
  #pump(): void {
    const { wire } = this.#props.conversation;
    const { source } = this.#props.transaction;
    while (this.#state === 'content' && !this.#waiting && !wire.blocked) {
      const part = source.next();
      if (part instanceof Promise) {
        this.#waiting = true;
        part.then(
          (late) => this.#arrived(late),
          (error: unknown) => this.#unreadable(error),
        );
        return;
      }
      this.#take(part);
    }
  }

  #arrived(part: Buffer | null): void {
    this.#waiting = false;
    if (this.#state === 'content') {
      this.#take(part);
      this.#pump();
    }
  }

  #take(part: Buffer | null): void {
    const { conversation, transaction, options, last } = this.#props;
    const { wire } = conversation;
    if (part !== null) {
      wire.add(part);
      if (wire.waiting >= portion) {
        wire.flush();
      }
      return;
    }
    this.#state = 'dot';
    wire.add(transaction.source.finish());
    if (last && this.#pipelining) {
      this.quitSaid = true;
      wire.say('QUIT\r\n');
    }
    conversation.expect(1, endOfData, options.dataDoneTimeout);
    wire.flush();
  }

  /** The message cannot be read: what was sent of it must not become a message. */
  #unreadable(error: unknown): void {
    if (this.#state === 'content') {
      const reason = error instanceof Error ? error.message : String(error);
      const text = `cannot read the message: ${reason}`;
      this.#props.transaction.failRest(deferred('refused', '4.3.0', text));
      this.#giveUp();
    }
  }

  #giveUp(): void {
    if (this.#state === 'content') {
      this.#props.transaction.source.cancel();
    }
    this.#props.conversation.destroy();
    this.#over(null);
  }

  #over(failure: Failure | null): void {
    if (this.#state !== 'over') {
      this.#state = 'over';
      this.#props.done(failure);
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

const endOfData = 'sending end of data -- message may be sent more than once';
