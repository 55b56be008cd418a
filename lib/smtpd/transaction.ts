/**
 * A mail transaction of the smtpd engine: MAIL, RCPT, and the way into DATA or BDAT.
 */
import {
  isBadAddress,
  isReply,
  parseMail,
  parseRcpt,
  type Recipient,
  type Sender,
} from '../smtp/envelope.js';
import { nextQueueId } from '../smtp/queue-id.js';
import { formatReply, type Reply } from '../smtp/reply.js';
import type { DialogueHost } from './dialogue-host.js';
import * as texts from './texts.js';

/** What BDAT announced (RFC 3030). */
export interface Chunk {
  readonly size: number;
  readonly last: boolean;
  /** Said in place of an acknowledgement once the chunk has been skipped. */
  readonly refusal: string | null;
}

export class Transaction {
  sender: Sender | null = null;
  recipients: Recipient[] = [];
  queueId: string | null = null;

  readonly #host: DialogueHost;
  /** BDAT has begun; `failed`: nothing more of this message is of use. */
  #bdat: 'none' | 'going' | 'failed' = 'none';
  #overshoot = 0;
  /** Bytes of chunks. */
  #bdatBytes = 0;

  constructor(host: DialogueHost) {
    this.#host = host;
  }

  end(): void {
    this.sender = null;
    this.recipients = [];
    this.queueId = null;
    this.#bdat = 'none';
  }

  /** The callback is through with a message whose chunks are still coming. */
  failBdat(): void {
    this.#bdat = 'failed';
  }

  mail(argument: string): string | null {
    if (this.sender !== null) {
      return texts.nestedMail;
    }
    const { service, client } = this.#host;
    const sender = parseMail(
      argument,
      service.extensions(client),
      service.options.strictRfc821Envelopes,
    );
    if (isReply(sender)) {
      return this.#malformed('MAIL', argument, sender);
    }
    const about = { sender: sender.address, recipient: null };
    const limit = service.options.messageSizeLimit;
    if (limit > 0 && sender.size !== null && sender.size > limit) {
      this.#host.log.rejected('MAIL', texts.sizeExceedsLimit, about);
      return texts.sizeExceedsLimit;
    }
    const { onMail } = service.handlers;
    if (onMail === undefined) {
      return this.#begin(sender, undefined);
    }
    return this.#host.consult({
      call: () => onMail(client, sender),
      done: (reply) => this.#begin(sender, reply),
      failed: texts.localProblem,
      about,
    });
  }

  #malformed(verb: 'MAIL' | 'RCPT', argument: string, problem: Reply): string {
    if (isBadAddress(problem)) {
      this.#host.log.illegalAddress(verb, argument.slice(argument.indexOf(':') + 1).trim());
    }
    return formatReply(problem);
  }

  #begin(sender: Sender, reply: Reply | undefined): string {
    if (reply === undefined || reply.code < 300) {
      this.sender = sender;
      this.queueId = nextQueueId();
      this.#overshoot = 0;
      this.#bdatBytes = 0;
    }
    return reply === undefined ? texts.senderOk : formatReply(reply);
  }

  rcpt(argument: string): string | null {
    const { service, client } = this.#host;
    if (this.sender === null) {
      return texts.needMail;
    }
    if (this.#bdat !== 'none') {
      return texts.rcptAfterBdat;
    }
    const { options } = service;
    const offered = service.extensions(client);
    const { smtputf8 } = this.sender;
    const recipient = parseRcpt(argument, offered, smtputf8, options.strictRfc821Envelopes);
    if (isReply(recipient)) {
      return this.#malformed('RCPT', argument, recipient);
    }
    if (this.recipients.length >= service.options.recipientLimit) {
      this.#overshoot++;
      return texts.tooManyRecipients;
    }
    const { onRcpt } = service.handlers;
    if (onRcpt === undefined) {
      return this.#add(recipient, undefined);
    }
    return this.#host.consult({
      call: () => onRcpt(client, recipient),
      done: (reply) => this.#add(recipient, reply),
      failed: texts.localProblem,
      about: { sender: this.sender.address, recipient: recipient.address },
    });
  }

  #add(recipient: Recipient, reply: Reply | undefined): string {
    if (reply === undefined || reply.code < 300) {
      this.recipients.push(recipient);
    }
    return reply === undefined ? texts.recipientOk : formatReply(reply);
  }

  /** A refused recipient beyond the limit is no error of the client yet (RFC 5321 section 4.5.3.1.10). */
  excused(text: string): boolean {
    const { recipientOvershootLimit } = this.#host.service.options;
    return text === texts.tooManyRecipients && this.#overshoot <= recipientOvershootLimit;
  }

  /** Null: content may come. */
  data(argument: string): string | null {
    if (this.#bdat !== 'none') {
      return texts.dataAfterBdat;
    }
    return this.#contentRefusal() ?? (argument === '' ? null : texts.dataSyntax);
  }

  /** The chunk that follows, or the reply to a command that announces none. */
  bdat(argument: string): Chunk | string {
    const match = /^(\d{1,15})(?:\s+(LAST))?$/i.exec(argument);
    if (match === null) {
      this.#host.log.malformedBdat(argument);
      return texts.bdatSyntax;
    }
    const size = Number(match[1]);
    const last = match[2] !== undefined;
    if (this.#bdat === 'failed') {
      return { size, last, refusal: texts.chunkDiscarded(size) };
    }
    const refusal = this.#contentRefusal() ?? this.#chunkRefusal(size);
    if (refusal === null) {
      this.#bdat = 'going';
    }
    return { size, last, refusal };
  }

  /** The message would be too large with this chunk. */
  #chunkRefusal(size: number): string | null {
    const limit = this.#host.service.options.messageSizeLimit;
    this.#bdatBytes += size;
    if (limit === 0 || this.#bdatBytes <= limit) {
      return null;
    }
    this.#bdat = 'failed';
    this.#host.log.chunkTooBig();
    return texts.chunkTooBig;
  }

  #contentRefusal(): string | null {
    if (this.sender === null) {
      return texts.needRcpt;
    }
    return this.recipients.length === 0 ? texts.noRecipients : null;
  }
}
