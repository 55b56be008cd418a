/**
 * The smtpd dialogue: commands in, replies out (RFC 5321, replies and orders of Postfix's smtpd).
 *
 * Knows nothing of sockets. What takes longer than a reply is told by `action`: the handshake, the
 * content of a message. A command whose callback is asynchronous returns null; its reply comes when
 * the callback settles.
 */
import { argumentAt, type Verb, verbAt, verbEnd, wordStart } from '../smtp/command.js';
import { isAddress } from '../smtp/path.js';
import { Authentication } from './authentication.js';
import { Conduct } from './conduct.js';
import type { DialogueHost } from './dialogue-host.js';
import * as texts from './texts.js';
import { type Chunk, Transaction } from './transaction.js';
import { beforeTls, lastInGroup, unknownCommand } from './verbs.js';

/** What the exchange has to do after the reply; after `chunk`, the reply follows the chunk. */
export type Action = 'none' | 'starttls' | 'data' | Chunk;

/** Bytes of a response in AUTH (RFC 4954 section 4, smtpd_sasl_response_limit). */
const responseLimit = 12_288;

export class Dialogue {
  helo: string | null = null;
  protocol: 'SMTP' | 'ESMTP' = 'SMTP';
  readonly mail: Transaction;
  readonly authentication: Authentication;
  readonly conduct: Conduct;
  action: Action = 'none';

  readonly #host: DialogueHost;
  #verb: Verb | null = null;

  constructor(host: DialogueHost) {
    this.#host = host;
    this.conduct = new Conduct(host.service.options.junkCommandLimit);
    this.mail = new Transaction(host);
    this.authentication = new Authentication(host);
  }

  /** Nothing may be sent behind this command before it is answered. */
  mustBeLast(line: Buffer, from: number, to: number): boolean {
    if (this.authentication.going) {
      return false;
    }
    const start = wordStart(line, from, to);
    const verb = verbAt(line, start, verbEnd(line, start, to));
    return this.protocol === 'SMTP' || lastInGroup.has(verb);
  }

  /** Carries out the command in bytes `from` to `to`; null: the reply comes later. */
  run(line: Buffer, from: number, to: number): string | null {
    this.action = 'none';
    if (this.authentication.going) {
      return this.#settledOrNull(this.authentication.respond(line.toString('latin1', from, to)));
    }
    const start = wordStart(line, from, to);
    const end = verbEnd(line, start, to);
    const verb = verbAt(line, start, end);
    const argument = argumentAt(line, end, to);
    const { service, client } = this.#host;
    if (argument.includes('\ufffd') && service.options.smtputf8Enable) {
      this.#begin(null);
      return this.settled(texts.badUtf8);
    }
    this.#begin(verb);
    if (verb === null) {
      return this.settled(unknownCommand(line.toString('latin1', start, to), this.#host.log));
    }
    if (service.mode.enforce && !client.tlsActive && !beforeTls.has(verb)) {
      return this.settled(texts.tlsRequired);
    }
    return this.#settledOrNull(this.#command(verb, argument));
  }

  /** Bytes that the next line may have. */
  get lineLimit(): number {
    return this.authentication.going ? responseLimit : this.#host.service.options.lineLengthLimit;
  }

  /** Refuses a line that is longer than that. */
  refuseLong(line: Buffer, from: number, to: number): string {
    this.#host.log.lineTooLong(this.lineLimit, line.toString('latin1', from, to));
    if (this.authentication.going) {
      this.action = 'none';
      this.authentication.giveUp();
      return this.settled(texts.responseTooLong);
    }
    return this.refuse(line, from, to, texts.lineTooLong);
  }

  /** Refuses the command in bytes `from` to `to` whatever it says. */
  refuse(line: Buffer, from: number, to: number, text: string): string {
    this.action = 'none';
    const start = wordStart(line, from, to);
    this.#begin(verbAt(line, start, verbEnd(line, start, to)));
    return this.settled(text);
  }

  /** Notes how a command ended; those that go on for a while are noted at their end. */
  settled(text: string): string {
    if (this.action === 'none' && !text.startsWith('334')) {
      const accepted = this.#verb !== null && text.charCodeAt(0) < 0x34; // "4"
      this.conduct.end(this.#verb, accepted, this.mail.excused(text));
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
    this.conduct.where = 'END-OF-MESSAGE';
    this.action = 'none';
    this.settled(text);
    this.mail.end();
    if (text.startsWith('2')) {
      this.conduct.forgive();
    }
  }

  /** A message or a chunk has begun that will not come to its end. */
  breakOff(): void {
    if (this.action !== 'none' && this.action !== 'starttls') {
      this.conduct.end(this.#verb, false);
      this.action = 'none';
    }
  }

  /** The handshake is over; what the client said before is forgotten (RFC 3207 section 4.2). */
  endOfHandshake(succeeded: boolean): void {
    this.action = 'none';
    this.conduct.end('STARTTLS', succeeded);
    this.helo = null;
    this.protocol = 'SMTP';
    this.mail.end();
    this.authentication.reset();
  }

  #begin(verb: Verb | null): void {
    this.#verb = verb;
    this.conduct.begin(verb);
  }

  #settledOrNull(text: string | null): string | null {
    return text === null ? null : this.settled(text);
  }

  #command(verb: Verb, argument: string): string | null {
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
    const missing = this.#helloMissing();
    if (missing !== null) {
      return missing;
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
      return texts.bdatNotImplemented;
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
    const { disableVrfyCommand, smtputf8Enable } = this.#host.service.options;
    if (disableVrfyCommand) {
      return texts.vrfyDisabled;
    }
    if (argument === '') {
      return smtputf8Enable ? texts.vrfySyntaxUtf8 : texts.vrfySyntax;
    }
    const path = smtputf8Enable ? argument.replace(/\s+SMTPUTF8$/i, '') : argument;
    const address = /^<(.*)>$/.exec(path)?.[1] ?? path;
    if (address !== '' && isAddress(address)) {
      return texts.cannotVerify(path);
    }
    this.#host.log.illegalAddress('VRFY', path);
    return texts.badAddress;
  }
}
