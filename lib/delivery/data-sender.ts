/** Content by DATA: dots stuffed, ended by a dot alone (RFC 5321 section 4.1.1.4). */
import type { ReplyReader } from '../smtp/reply-reader.js';
import { ContentSender, endOfData, portion } from './content-sender.js';

export class DataSender extends ContentSender {
  get ambiguous(): boolean {
    return this.finished;
  }

  protected get ready(): boolean {
    return true;
  }

  /** DATA was answered with 354. */
  start(): void {
    const { conversation, options } = this.props;
    conversation.expect(0, 'sending message body', options.dataXferTimeout, options.minDataRate);
    this.pump();
  }

  replied(reply: ReplyReader): void {
    this.props.transaction.completed(reply, 'dot');
    this.props.done(true);
  }

  /** A refusal while the content is on its way counts. */
  unasked(reply: ReplyReader): boolean {
    if (reply.code < 400) {
      return false;
    }
    this.stop(this.props.transaction.refusal(reply, 'dot'));
    return true;
  }

  protected take(part: Buffer | null): void {
    const { conversation, transaction, options, farewell } = this.props;
    const { wire } = conversation;
    if (part !== null) {
      wire.add(part);
      if (wire.waiting >= portion) {
        wire.flush();
      }
      return;
    }
    this.finished = true;
    wire.add(transaction.source.finish());
    wire.say(farewell);
    conversation.expect(1, endOfData, options.dataDoneTimeout);
    wire.flush();
  }
}
