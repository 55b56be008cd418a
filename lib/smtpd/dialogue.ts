/**
 * The smtpd dialogue: commands in, replies out (RFC 5321, replies and orders of Postfix's smtpd).
 *
 * Knows nothing of sockets. What takes longer than a reply is told by `action`: the handshake, the
 * content of a message. A command whose callback is asynchronous returns null; its reply comes when
 * the callback settles.
 */
import { argumentAt, type Verb, verbAt, verbEnd } from '../smtp/command.js';
import { isReply, parseMail, parseRcpt, type Recipient, type Sender } from '../smtp/envelope.js';
import { nextQueueId } from '../smtp/queue-id.js';
import { formatReply, type Reply } from '../smtp/reply.js';
import { CommandCount } from './command-count.js';
import type { Answer, SmtpdSession } from './handlers.js';
import type { Service } from './service.js';
import * as texts from './texts.js';

/** What the session has to do after the reply. */
export type Action = 'none' | 'starttls' | 'data';

/** What the dialogue needs of the session around it. */
export interface DialogueHost {
  readonly service: Service;
  /** What callbacks get. */
  readonly client: SmtpdSession & { readonly tlsActive: boolean };
  /** Runs a callback; `done` makes the reply's text from its answer. Null: that happens later. */
  consult(call: () => Answer, done: (reply: Reply | undefined) => string): string | null;
}

const beforeTls: ReadonlySet<Verb | null> = new Set<Verb | null>([
  'HELO',
  'EHLO',
  'STARTTLS',
  'NOOP',
  'QUIT',
  'HELP',
]);

export class Dialogue {
  helo: string | null = null;
  protocol: 'SMTP' | 'ESMTP' = 'SMTP';
  sender: Sender | null = null;
  recipients: Recipient[] = [];
  queueId: string | null = null;
  action: Action = 'none';
  /** The last command, for `lost connection after`. */
  where = 'CONNECT';
  /** Refused commands since the last accepted message. */
  errors = 0;
  readonly count = new CommandCount();

  readonly #host: DialogueHost;
  #verb: Verb | null = null;

  constructor(host: DialogueHost) {
    this.#host = host;
  }

  /** Carries out the command in bytes `from` to `to`; null: the reply comes later. */
  run(line: Buffer, from: number, to: number): string | null {
    const end = verbEnd(line, from, to);
    const verb = verbAt(line, from, end);
    this.#verb = verb;
    this.where = verb ?? 'UNKNOWN';
    this.action = 'none';
    const { service, client } = this.#host;
    if (service.mode.enforce && !client.tlsActive && verb !== null && !beforeTls.has(verb)) {
      return this.settled(texts.tlsRequired);
    }
    const text = this.#command(verb, argumentAt(line, end, to));
    return text === null ? null : this.settled(text);
  }

  /** Notes how a command ended; those that go on for a while are noted at their end. */
  settled(text: string): string {
    if (this.action === 'none') {
      this.#account(this.#verb, text.charCodeAt(0) < 0x34); // "4"
    }
    return text;
  }

  /** A line that is not even looked at. */
  refuse(text: string): string {
    this.#verb = null;
    this.where = 'UNKNOWN';
    this.action = 'none';
    return this.settled(text);
  }

  /** The message that `action` asked for has got its reply. */
  endOfMessage(text: string): void {
    this.where = 'END-OF-MESSAGE';
    this.action = 'none';
    this.settled(text);
    this.#endMail();
    if (text.startsWith('2')) {
      this.errors = 0;
    }
  }

  /** The handshake that `action` asked for is over; what the client said before is forgotten (RFC 3207 section 4.2). */
  endOfHandshake(succeeded: boolean): void {
    this.action = 'none';
    this.#account('STARTTLS', succeeded);
    this.helo = null;
    this.protocol = 'SMTP';
    this.#endMail();
  }

  #account(verb: Verb | null, accepted: boolean): void {
    this.count.add(verb, accepted);
    if (!accepted) {
      this.errors++;
    }
  }

  #endMail(): void {
    this.sender = null;
    this.recipients = [];
    this.queueId = null;
  }

  #command(verb: Verb | null, argument: string): string | null {
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#hello(verb, argument);
      case 'STARTTLS':
        return this.#starttls(argument);
      case 'MAIL':
        return this.#mail(argument);
      case 'RCPT':
        return this.#rcpt(argument);
      case 'DATA':
        return this.#data(argument);
      case 'RSET':
        return this.#rset(argument);
      case 'NOOP':
        return texts.ok;
      case 'QUIT':
        return texts.bye;
      case null:
        return texts.unknownCommand;
      default:
        return texts.notImplemented;
    }
  }

  #hello(verb: 'EHLO' | 'HELO', argument: string): string {
    if (argument === '') {
      return verb === 'EHLO' ? texts.ehloSyntax : texts.heloSyntax;
    }
    const { service, client } = this.#host;
    this.#endMail();
    this.helo = argument;
    if (verb === 'EHLO') {
      this.protocol = 'ESMTP';
      return service.ehlo(client.tlsActive);
    }
    this.protocol = 'SMTP';
    return `250 ${service.options.myhostname}\r\n`;
  }

  #starttls(argument: string): string {
    const { service, client } = this.#host;
    if (argument !== '') {
      return texts.starttlsSyntax;
    }
    if (client.tlsActive) {
      return texts.tlsActive;
    }
    if (!service.mode.use) {
      return texts.notImplemented;
    }
    if (service.context === null) {
      return texts.tlsUnavailable;
    }
    this.action = 'starttls';
    return texts.readyForTls;
  }

  #mail(argument: string): string | null {
    if (this.sender !== null) {
      return texts.nestedMail;
    }
    const { service } = this.#host;
    const sender = parseMail(argument, service.extensions);
    if (isReply(sender)) {
      return formatReply(sender);
    }
    const limit = service.options.messageSizeLimit;
    if (limit > 0 && sender.size !== null && sender.size > limit) {
      return texts.sizeExceedsLimit;
    }
    const { onMail } = service.handlers;
    if (onMail === undefined) {
      return this.#beginMail(sender, undefined);
    }
    return this.#host.consult(
      () => onMail(this.#host.client, sender),
      (reply) => this.#beginMail(sender, reply),
    );
  }

  #beginMail(sender: Sender, reply: Reply | undefined): string {
    if (reply === undefined || reply.code < 300) {
      this.sender = sender;
      this.queueId = nextQueueId();
    }
    return reply === undefined ? texts.senderOk : formatReply(reply);
  }

  #rcpt(argument: string): string | null {
    const { service } = this.#host;
    if (this.sender === null) {
      return texts.needMail;
    }
    const recipient = parseRcpt(argument, service.extensions, this.sender.smtputf8);
    if (isReply(recipient)) {
      return formatReply(recipient);
    }
    if (this.recipients.length >= service.options.recipientLimit) {
      return texts.tooManyRecipients;
    }
    const { onRcpt } = service.handlers;
    if (onRcpt === undefined) {
      return this.#addRecipient(recipient, undefined);
    }
    return this.#host.consult(
      () => onRcpt(this.#host.client, recipient),
      (reply) => this.#addRecipient(recipient, reply),
    );
  }

  #addRecipient(recipient: Recipient, reply: Reply | undefined): string {
    if (reply === undefined || reply.code < 300) {
      this.recipients.push(recipient);
    }
    return reply === undefined ? texts.recipientOk : formatReply(reply);
  }

  #data(argument: string): string {
    if (argument !== '') {
      return texts.dataSyntax;
    }
    if (this.sender === null) {
      return texts.needRcpt;
    }
    if (this.recipients.length === 0) {
      return texts.noRecipients;
    }
    this.action = 'data';
    return texts.goAhead;
  }

  #rset(argument: string): string {
    if (argument !== '') {
      return texts.rsetSyntax;
    }
    this.#endMail();
    return texts.ok;
  }
}
