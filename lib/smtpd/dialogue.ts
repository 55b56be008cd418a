/**
 * The smtpd dialogue: commands in, replies out (RFC 5321, replies and orders of Postfix's smtpd).
 *
 * Knows nothing of sockets. What takes longer than a reply is told by `action`: the handshake, the
 * content of a message. A command whose callback is asynchronous returns null; its reply comes when
 * the callback settles.
 */
import { argumentAt, type Verb, verbAt, verbEnd } from '../smtp/command.js';
import { isAddress } from '../smtp/path.js';
import type { Reply } from '../smtp/reply.js';
import { Authentication } from './authentication.js';
import { CommandCount } from './command-count.js';
import type { Answer, SmtpdSession } from './handlers.js';
import type { OfferedTo, Service } from './service.js';
import type { SessionLog } from './session-log.js';
import * as texts from './texts.js';
import { type Chunk, Transaction } from './transaction.js';

/** What the exchange has to do after the reply; after `chunk`, the reply follows the chunk. */
export type Action = 'none' | 'starttls' | 'data' | Chunk;

/** What the dialogue needs of the exchange around it. */
export interface DialogueHost {
  readonly service: Service;
  /** What callbacks get. */
  readonly client: SmtpdSession & OfferedTo;
  readonly log: Pick<SessionLog, 'newSessionRefused'>;
  /**
   * Runs a callback; `done` makes the reply's text from its answer, `failed` is said when it throws.
   * Null: that happens later.
   */
  consult(
    call: () => Answer,
    done: (reply: Reply | undefined) => string,
    failed?: string,
  ): string | null;
}

const beforeTls: ReadonlySet<Verb | null> = new Set<Verb | null>([
  'HELO',
  'EHLO',
  'STARTTLS',
  'NOOP',
  'QUIT',
  'HELP',
]);

/** Have to be the last of a group (RFC 2920 section 3.1); STARTTLS is dealt with in another way. */
const lastInGroup: ReadonlySet<Verb | null> = new Set<Verb | null>([
  'HELO',
  'EHLO',
  'DATA',
  'NOOP',
  'VRFY',
]);

/** Deliver nothing. */
const junk: ReadonlySet<Verb | null> = new Set<Verb | null>([
  'HELO',
  'EHLO',
  'RSET',
  'NOOP',
  'VRFY',
]);

export class Dialogue {
  helo: string | null = null;
  protocol: 'SMTP' | 'ESMTP' = 'SMTP';
  readonly mail: Transaction;
  readonly authentication: Authentication;
  action: Action = 'none';
  /** The last command, for `lost connection after`. */
  where = 'CONNECT';
  /** Errors of the client since the last accepted message. */
  errors = 0;
  readonly count = new CommandCount();

  readonly #host: DialogueHost;
  #verb: Verb | null = null;
  #junk = 0;

  constructor(host: DialogueHost) {
    this.#host = host;
    this.mail = new Transaction(host);
    this.authentication = new Authentication(host);
  }

  /** Nothing may be sent behind this command before it is answered. */
  mustBeLast(line: Buffer, from: number, to: number): boolean {
    if (this.authentication.going) {
      return true;
    }
    return this.protocol === 'SMTP' || lastInGroup.has(verbAt(line, from, verbEnd(line, from, to)));
  }

  /** Carries out the command in bytes `from` to `to`; null: the reply comes later. */
  run(line: Buffer, from: number, to: number): string | null {
    this.action = 'none';
    if (this.authentication.going) {
      return this.#settledOrNull(this.authentication.respond(line.toString('latin1', from, to)));
    }
    const end = verbEnd(line, from, to);
    const verb = verbAt(line, from, end);
    this.#begin(verb);
    const { service, client } = this.#host;
    if (service.mode.enforce && !client.tlsActive && verb !== null && !beforeTls.has(verb)) {
      return this.settled(texts.tlsRequired);
    }
    return this.#settledOrNull(this.#command(verb, argumentAt(line, end, to)));
  }

  /** Refuses a line without a look at it. */
  refuse(text: string): string {
    this.#begin(null);
    this.action = 'none';
    return this.settled(text);
  }

  /** Notes how a command ended; those that go on for a while are noted at their end. */
  settled(text: string): string {
    if (this.action === 'none' && !text.startsWith('334')) {
      this.#account(this.#verb, text.charCodeAt(0) < 0x34, this.mail.excused(text)); // "4"
    }
    return text;
  }

  /** The chunk that `action` announced has got its reply. */
  endOfChunk(text: string): void {
    this.action = 'none';
    this.settled(text);
  }

  /** The message has got its reply. */
  endOfMessage(text: string): void {
    this.where = 'END-OF-MESSAGE';
    this.action = 'none';
    this.settled(text);
    this.mail.end();
    if (text.startsWith('2')) {
      this.errors = 0;
      this.#junk = 0;
    }
  }

  /** The handshake is over; what the client said before is forgotten (RFC 3207 section 4.2). */
  endOfHandshake(succeeded: boolean): void {
    this.action = 'none';
    this.#account('STARTTLS', succeeded, false);
    this.helo = null;
    this.protocol = 'SMTP';
    this.mail.end();
    this.authentication.reset();
  }

  #begin(verb: Verb | null): void {
    this.#verb = verb;
    this.where = verb ?? 'UNKNOWN';
    if (junk.has(verb) && this.#junk++ >= this.#host.service.options.junkCommandLimit) {
      this.errors++;
    }
  }

  #settledOrNull(text: string | null): string | null {
    return text === null ? null : this.settled(text);
  }

  #account(verb: Verb | null, accepted: boolean, excused: boolean): void {
    this.count.add(verb, accepted);
    if (!accepted && !excused) {
      this.errors++;
    }
  }

  #command(verb: Verb | null, argument: string): string | null {
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#hello(verb, argument);
      case 'STARTTLS':
        return this.#starttls(argument);
      case 'AUTH':
        return this.#auth(argument);
      case 'MAIL':
        return this.#helloMissing() ?? this.mail.mail(argument);
      case 'RCPT':
        return this.mail.rcpt(argument);
      case 'DATA':
        return this.#data(argument);
      case 'BDAT':
        return this.#bdat(argument);
      case 'RSET':
        return this.#rset(argument);
      case 'VRFY':
        return this.#vrfy(argument);
      case 'HELP':
        return texts.help(this.#host.service.commands(this.#host.client));
      case 'NOOP':
        return texts.ok;
      case 'QUIT':
        return texts.bye;
      default:
        return texts.unknownCommand;
    }
  }

  #hello(verb: 'EHLO' | 'HELO', argument: string): string {
    if (argument === '') {
      return verb === 'EHLO' ? texts.ehloSyntax : texts.heloSyntax;
    }
    const { service, client } = this.#host;
    this.mail.end();
    this.helo = argument;
    if (verb === 'EHLO') {
      this.protocol = 'ESMTP';
      return service.ehlo(client);
    }
    this.protocol = 'SMTP';
    return `250 ${service.options.myhostname}\r\n`;
  }

  #helloMissing(): string | null {
    const { heloRequired } = this.#host.service.options;
    return heloRequired && this.helo === null ? texts.helloFirst : null;
  }

  #starttls(argument: string): string {
    const { service, client } = this.#host;
    if (argument !== '') {
      return texts.starttlsSyntax;
    }
    if (client.tlsActive) {
      return texts.tlsActive;
    }
    if (!service.offersStarttls) {
      return texts.notImplemented;
    }
    if (service.context === null) {
      return texts.tlsUnavailable;
    }
    if (service.newSessions.exceeded(client.remoteAddress)) {
      this.#host.log.newSessionRefused();
      return texts.noMoreNewSessions(client.namaddr);
    }
    this.action = 'starttls';
    return texts.readyForTls;
  }

  #auth(argument: string): string | null {
    const { service, client } = this.#host;
    if (!service.authPossible) {
      return texts.authDisabled;
    }
    if (service.mechanisms(client).length === 0) {
      return texts.authNeedsTls;
    }
    if (this.helo === null) {
      return texts.helloFirst;
    }
    if (this.authentication.user !== null) {
      return texts.alreadyAuthenticated;
    }
    if (this.mail.sender !== null) {
      return texts.authInTransaction;
    }
    return this.authentication.begin(argument);
  }

  #data(argument: string): string {
    const refusal = this.mail.data(argument);
    if (refusal !== null) {
      return refusal;
    }
    this.action = 'data';
    return texts.goAhead;
  }

  #bdat(argument: string): string {
    if (!this.#host.service.offersChunking) {
      return texts.notImplemented;
    }
    const chunk = this.mail.bdat(argument);
    if (typeof chunk === 'string') {
      return chunk;
    }
    this.action = chunk;
    return '';
  }

  #rset(argument: string): string {
    if (argument !== '') {
      return texts.rsetSyntax;
    }
    this.mail.end();
    return texts.ok;
  }

  #vrfy(argument: string): string {
    if (this.#host.service.options.disableVrfyCommand) {
      return texts.vrfyDisabled;
    }
    const address = /^<(.*)>$/.exec(argument)?.[1] ?? argument;
    if (address === '') {
      return texts.vrfySyntax;
    }
    return isAddress(address) ? texts.cannotVerify(address) : texts.badAddress;
  }
}
