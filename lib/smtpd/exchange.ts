/**
 * The exchange of commands and replies with one client: the turn.
 *
 * Per read turn: take lines out of the slab, run the dialogue, collect all replies for one write.
 * A callback that takes its time, a handshake, a callback that does not read its message: whatever
 * stands in the way stops the turn, and what it had not used is kept until `work` is called again.
 */
import type { ErrorCode } from '../errors.js';
import type { Wire } from '../smtp/wire.js';
import type { TlsSnapshot } from '../snapshot.js';
import { BareNewlines, bareLfReason } from './bare-newlines.js';
import { ClientView } from './client-view.js';
import { ask } from './consult.js';
import { Dialogue } from './dialogue.js';
import type { DialogueHost, Question } from './dialogue-host.js';
import { greeting } from './greeting.js';
import { Reception } from './reception.js';
import type { Service } from './service.js';
import { SessionLog } from './session-log.js';
import * as texts from './texts.js';

/**
 * What comes next: the greeting, a command, the handshake that a 220 promised, content or the reply
 * to it, or nothing any more.
 */
export type ExchangeState = 'greeting' | 'commands' | 'starttls' | 'content' | 'closing';

export class Exchange implements DialogueHost {
  state: ExchangeState = 'greeting';
  /** Replies said so far; tells one request from the next. */
  replies = 0;
  readonly service: Service;
  readonly client: ClientView;
  readonly dialogue: Dialogue;
  readonly log: SessionLog;
  readonly bareNewlines: BareNewlines;

  readonly #wire: Wire;
  readonly #wake: () => void;
  readonly #reception: Reception;
  /** A callback is pending, or a reply is being delayed. */
  #waiting = false;
  /** Sent in place of the next reply, as the last one. */
  #farewell: string | null = null;

  /** @param wake what the exchange has waited for has come, and there is something to write */
  constructor(service: Service, wire: Wire, wake: () => void) {
    this.service = service;
    this.#wire = wire;
    this.#wake = wake;
    this.dialogue = new Dialogue(this);
    this.client = new ClientView(wire.connection, this.dialogue, service);
    this.log = new SessionLog(service, this.client);
    this.bareNewlines = new BareNewlines(service, this.client.remoteAddress);
    this.#reception = new Reception({
      service,
      client: this.client,
      mail: this.dialogue.mail,
      bareNewlines: this.bareNewlines,
      failed: (error) => this.log.callbackFailed(error),
      wake: () => this.#contentWoke(),
    });
  }

  /** The client waits for us, not we for the client. */
  get busy(): boolean {
    const { full, expecting } = this.#reception;
    return this.#waiting || (this.state === 'content' && (full || !expecting));
  }

  /** More bytes of the client are of use. */
  get listening(): boolean {
    return (this.state === 'commands' || this.state === 'content') && !this.busy;
  }

  /** Where the exchange stands, as `lost connection after` says it. */
  get where(): string {
    const { bytes } = this.#reception;
    const { where } = this.dialogue.conduct;
    return bytes === null ? where : `${where} (${bytes} bytes)`;
  }

  /** Says the greeting, or what has to be said in its place. */
  greet(): void {
    const text = this.#farewell === null ? greeting(this) : null;
    if (this.#farewell !== null) {
      this.#sayFarewell();
    } else if (text !== null) {
      this.#reply(text);
    }
  }

  /** Works through what was read, as far as nothing stands in the way. */
  work(): void {
    const { input } = this.#wire;
    while (!this.#waiting) {
      if (this.state === 'content') {
        if (input.pos >= input.end || !this.#reception.expecting) {
          break;
        }
        this.#reception.feed(input);
        this.#afterContent();
      } else if (this.state === 'commands' && input.next()) {
        this.#command();
      } else {
        break;
      }
    }
    input.hold();
  }

  /** The handshake is over and the dialogue begins anew. */
  secured(): void {
    this.client.tlsActive = true;
    this.state = 'commands';
    const ends = this.#farewell !== null; // the service has begun to end meanwhile
    this.checkPeer();
    if (ends) {
      this.#sayFarewell();
    }
  }

  /** Logs the TLS session; a client that made too many, or had to have a certificate and has none, gets a 421 next. */
  checkPeer(): void {
    this.log.tlsEstablished();
    if (this.countNewSession(this.client)) {
      const { myhostname } = this.service.options;
      this.finish(texts.tooManyNewSessions(myhostname, this.client.namaddr));
      return;
    }
    const problem = this.service.mode.requireCert ? this.client.certificateProblem() : null;
    if (problem !== null) {
      this.log.tlsAborted(problem);
      this.#farewell = texts.clientCertProblem(this.service.options.myhostname, problem);
    }
  }

  /** Counts a full handshake, done or failed; true: that was one too many. */
  countNewSession({ tls }: { readonly tls: TlsSnapshot | null }): boolean {
    const { newSessions } = this.service;
    if (!newSessions.limited || tls?.resumed === true) {
      return false;
    }
    const count = newSessions.add(this.client.remoteAddress);
    if (count !== null) {
      this.log.tooManyNewSessions(count);
    }
    return count !== null;
  }

  /** Ends the exchange as soon as nothing is half done; nothing further is begun. */
  finish(farewell: string): void {
    this.#farewell ??= farewell;
    if (this.state === 'commands' && !this.#waiting) {
      this.#sayFarewell();
    }
  }

  /** Ends the exchange at once; a message that was on its way will not come. */
  breakOff(farewell: string, code: ErrorCode): void {
    this.#reception.abandon(code);
    this.dialogue.breakOff();
    this.#farewell = farewell;
    this.#sayFarewell();
  }

  consult(question: Question): string | null {
    const text = ask(question, {
      log: this.log,
      where: this.dialogue.conduct.where,
      open: () => this.state !== 'closing',
      late: (value) => this.#late(value),
    });
    this.#waiting = text === null;
    return text;
  }

  /** A callback has taken its time. */
  #late(text: string): void {
    this.#waiting = false;
    if (this.state !== 'closing') {
      this.#reply(this.state === 'greeting' ? text : this.dialogue.settled(text));
      this.#wake();
    }
  }

  #command(): void {
    const { line, from, to, tooLong, bareLf } = this.#wire.input;
    const { dialogue } = this;
    if (this.#farewell !== null) {
      this.#sayFarewell();
    } else if (bareLf && this.bareNewlines.refused()) {
      this.#refuseBareLf();
    } else if (this.#isOutOfTurn(line, from, to)) {
      dialogue.refuse(line, from, to, texts.synchronization);
      const { data, pos, end } = this.#wire.input;
      this.log.improperPipelining(dialogue.conduct.where, data.subarray(pos, end));
      this.breakOff(texts.synchronization, 'SMTP_PROTOCOL');
    } else {
      const text = tooLong ? dialogue.refuseLong(line, from, to) : dialogue.run(line, from, to);
      if (text !== null) {
        this.#reply(text);
      }
      this.#wire.input.limit = dialogue.lineLimit;
      this.#dropOrphan();
    }
  }

  /** A command that ends in a bare LF. */
  #refuseBareLf(): void {
    const { sender } = this.client;
    const about = { sender: sender?.address ?? null, recipient: null };
    this.log.rejected(this.dialogue.conduct.where, bareLfReason, about);
    this.breakOff(this.bareNewlines.reply, 'SMTP_PROTOCOL');
  }

  /** Something was sent behind a command that had to be the last of its group. */
  #isOutOfTurn(line: Buffer, from: number, to: number): boolean {
    return (
      this.service.options.forbidUnauthPipelining &&
      this.#wire.input.buffered > 0 &&
      this.dialogue.mustBeLast(line, from, to)
    );
  }

  /** Ends a message in chunks whose transaction was given up (RSET, EHLO, STARTTLS). */
  #dropOrphan(): void {
    if (this.#reception.bytes !== null && this.dialogue.mail.sender === null) {
      this.#reception.abandon('CANCELLED');
    }
  }

  /** Says a reply, and goes on as the dialogue or the reply wants it. */
  #reply(text: string): void {
    const { options } = this.service;
    if (this.dialogue.conduct.errors >= options.softErrorLimit && options.errorSleepTime > 0) {
      this.#delay(text);
    } else {
      this.#say(text);
    }
  }

  /** Slows down a client that only makes errors. */
  #delay(text: string): void {
    this.#waiting = true;
    const timer = setTimeout(() => {
      this.#waiting = false;
      if (this.state !== 'closing') {
        this.#say(text);
        this.#wake();
      }
    }, this.service.options.errorSleepTime);
    timer.unref();
  }

  #say(text: string): void {
    const greeting = this.state === 'greeting';
    this.replies++;
    this.#wire.say(text);
    // 221, 421 and 521 end the connection, and so does a greeting that is none.
    if (text.startsWith('21', 1) || (greeting && !text.startsWith('2'))) {
      this.state = 'closing';
      return;
    }
    this.state = 'commands';
    if (this.dialogue.conduct.errors >= this.service.options.hardErrorLimit) {
      this.log.tooManyErrors(this.dialogue.conduct.where);
      this.#farewell = texts.tooManyErrors(this.service.options.myhostname);
    }
    const { action } = this.dialogue;
    if (action !== 'none') {
      this.#act(action);
    } else if (this.#farewell !== null && !greeting) {
      this.#sayFarewell();
    }
  }

  #act(action: Dialogue['action']): void {
    if (action === 'starttls') {
      this.state = 'starttls';
      return;
    }
    this.state = 'content';
    if (action === 'data') {
      this.#reception.data();
    } else if (action !== 'none') {
      this.#reception.chunk(action);
      this.#afterContent();
    }
  }

  #sayFarewell(): void {
    this.#wire.say(this.#farewell ?? '');
    this.state = 'closing';
  }

  #contentWoke(): void {
    if (this.state === 'content') {
      this.#afterContent();
      this.#wake();
    }
  }

  /** Replies to content once that is due. */
  #afterContent(): void {
    const { bareLfRefused } = this.#reception;
    const due = this.#reception.due();
    if (due === null) {
      return;
    }
    if (due.refused) {
      this.log.messageRejected(bareLfRefused ? bareLfReason : due.text);
    }
    if (due.final) {
      this.dialogue.endOfMessage(due.text);
    } else {
      this.dialogue.endOfChunk(due.text);
    }
    if (bareLfRefused) {
      this.breakOff(due.text, 'SMTP_PROTOCOL');
    } else {
      this.#reply(due.text);
    }
  }
}
