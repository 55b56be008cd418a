/**
 * The exchange of commands and replies with one client: the turn.
 *
 * Per read turn: take lines out of the slab, run the dialogue, collect all replies for one write.
 * A callback that takes its time, a handshake, a callback that does not read its message: whatever
 * stands in the way stops the turn, and what it had not used is kept until `work` is called again.
 */
import type { ErrorCode } from '../errors.js';
import { formatReply } from '../smtp/reply.js';
import type { Wire } from '../smtp/wire.js';
import type { TlsSnapshot } from '../snapshot.js';
import { ClientView } from './client-view.js';
import { consult, type Done } from './consult.js';
import { Dialogue, type DialogueHost } from './dialogue.js';
import type { Answer } from './handlers.js';
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

  readonly #wire: Wire;
  readonly #wake: () => void;
  readonly #reception: Reception;
  /** A callback is pending, or a reply is being delayed. */
  #waiting = false;
  /** Sent in place of the next reply, as the last one. */
  #farewell: string | null = null;
  #bareLfNoted = false;

  /** @param wake what the exchange has waited for has come, and there is something to write */
  constructor(service: Service, wire: Wire, wake: () => void) {
    this.service = service;
    this.#wire = wire;
    this.#wake = wake;
    this.dialogue = new Dialogue(this);
    this.client = new ClientView(wire.connection, this.dialogue, service);
    this.log = new SessionLog(service, this.client);
    this.#reception = new Reception({
      service,
      client: this.client,
      mail: this.dialogue.mail,
      refusesBareLf: () => this.#refusesBareLf(),
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
    return bytes === null ? this.dialogue.where : `${this.dialogue.where} (${bytes} bytes)`;
  }

  /** Says the greeting, or what the callback wants in its place. */
  greet(): void {
    const { greeting, handlers } = this.service;
    const { onConnect } = handlers;
    if (this.#farewell !== null) {
      this.#sayFarewell();
    } else if (onConnect === undefined) {
      this.#reply(greeting);
    } else {
      const done: Done = (reply) => (reply === undefined ? greeting : formatReply(reply));
      const text = this.consult(() => onConnect(this.client), done);
      if (text !== null) {
        this.#reply(text);
      }
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
    this.checkPeer();
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
    this.#farewell = farewell;
    this.#sayFarewell();
  }

  consult(call: () => Answer, done: Done, failed = texts.localProblem): string | null {
    const text = consult(call, done, (error) => {
      this.log.callbackFailed(error);
      return failed;
    });
    if (typeof text === 'string') {
      return text;
    }
    this.#waiting = true;
    text.then((late) => {
      this.#waiting = false;
      if (this.state !== 'closing') {
        this.#reply(this.state === 'greeting' ? late : this.dialogue.settled(late));
        this.#wake();
      }
    });
    return null;
  }

  #command(): void {
    const { line, from, to, tooLong, bareLf } = this.#wire.input;
    const { dialogue } = this;
    if (this.#farewell !== null) {
      this.#sayFarewell();
    } else if (bareLf && this.#refusesBareLf()) {
      this.breakOff(this.#bareLfReply(), 'SMTP_PROTOCOL');
    } else if (this.#isOutOfTurn(line, from, to)) {
      this.log.improperPipelining(dialogue.where, line.toString('latin1', from, to));
      this.breakOff(texts.synchronization, 'SMTP_PROTOCOL');
    } else {
      const text = tooLong ? dialogue.refuse(texts.lineTooLong) : dialogue.run(line, from, to);
      if (text !== null) {
        this.#reply(text);
      }
      this.#dropOrphan();
    }
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
    if (this.dialogue.errors >= options.softErrorLimit && options.errorSleepTime > 0) {
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
    if (this.dialogue.errors >= this.service.options.hardErrorLimit) {
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
    if (this.#reception.bareLfRefused) {
      this.breakOff(this.#bareLfReply(), 'SMTP_PROTOCOL');
      return;
    }
    const due = this.#reception.due();
    if (due === null) {
      return;
    }
    if (due.final) {
      this.dialogue.endOfMessage(due.text);
    } else {
      this.dialogue.endOfChunk(due.text);
    }
    this.#reply(due.text);
  }

  /** What smtpd_forbid_bare_newline says; a note is made once. */
  #refusesBareLf(): boolean {
    const { forbidBareNewline } = this.service.options;
    if (this.service.bareNewlineExclusions.has(this.client.remoteAddress)) {
      return false;
    }
    const noted = forbidBareNewline === 'note' || forbidBareNewline === 'reject';
    if (noted && !this.#bareLfNoted) {
      this.#bareLfNoted = true;
      this.log.bareNewline(this.dialogue.where);
    }
    return forbidBareNewline === 'reject';
  }

  #bareLfReply(): string {
    const { options } = this.service;
    return texts.bareNewline(options.forbidBareNewlineRejectCode, options.myhostname);
  }
}
