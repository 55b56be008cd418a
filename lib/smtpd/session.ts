/**
 * One client of the smtpd engine, on the native connection itself.
 *
 * Per read turn: take lines out of the slab, run the dialogue, write all replies in one call. What
 * stops the turn - a callback that takes its time, a handshake, a client that does not read, a
 * callback that does not read its message - stops reading from the connection, so that nothing
 * piles up; what the turn had not used is kept. Reading goes on when the reason has gone.
 */
import type { ConnectionOwner } from '../dispatch.js';
import { TlsError } from '../errors.js';
import type { NativeConnection } from '../native.js';
import { formatReply } from '../smtp/reply.js';
import { Wire } from '../smtp/wire.js';
import { ClientView } from './client-view.js';
import { consult, type Done } from './consult.js';
import { Content } from './content.js';
import { Dialogue, type DialogueHost } from './dialogue.js';
import type { Answer } from './handlers.js';
import type { Service } from './service.js';
import { SessionLog } from './session-log.js';
import * as texts from './texts.js';

/**
 * `starttls`: the 220 is being written. `reply`: the message is complete, its callback is not.
 * `closing`: the last reply is written or being written.
 */
type Phase =
  | 'greeting'
  | 'commands'
  | 'starttls'
  | 'handshake'
  | 'content'
  | 'reply'
  | 'closing'
  | 'closed';

export class Session implements ConnectionOwner, DialogueHost {
  readonly service: Service;
  readonly client: ClientView;

  readonly #wire: Wire;
  readonly #dialogue: Dialogue;
  readonly #log: SessionLog;
  readonly #ended: (session: Session) => void;
  #phase: Phase = 'greeting';
  /** A callback other than onData is pending. */
  #consulting = false;
  #content: Content | null = null;
  /** Sent in place of the next reply, as the last one. */
  #farewell: string | null = null;

  /** @param ended called once, when the connection is closed */
  constructor(service: Service, connection: NativeConnection, ended: (session: Session) => void) {
    this.service = service;
    this.#wire = new Wire(connection, service.options.lineLengthLimit);
    this.#dialogue = new Dialogue(this);
    this.client = new ClientView(connection, this.#dialogue, service.mode.wrappermode);
    this.#log = new SessionLog(service, this.client);
    this.#ended = ended;
    connection.owner = this;
  }

  /** Greets the client. */
  start(): void {
    this.#armTimeout();
    const { resolveClientName } = this.service.handlers;
    if (resolveClientName === undefined) {
      this.#greet();
      return;
    }
    this.#nameClient(resolveClientName).then(() => {
      if (this.#phase === 'greeting') {
        this.#greet();
      }
    });
  }

  /** Ends the session as soon as nothing is half done. */
  shutdown(): void {
    this.#farewell ??= texts.shuttingDown(this.service.options.myhostname);
    if (this.#phase === 'commands' && !this.#consulting) {
      this.#sayFarewell();
      this.#settle();
    }
  }

  /** Ends the session at once. */
  destroy(): void {
    if (this.#phase !== 'closed') {
      this.#wire.connection.destroy();
      this.#close();
    }
  }

  async #nameClient(resolve: (address: string) => string | Promise<string>): Promise<void> {
    try {
      this.client.clientName = (await resolve(this.client.remoteAddress)) || 'unknown';
    } catch (error) {
      this.#log.callbackFailed(error);
    }
  }

  #greet(): void {
    this.#log.connected();
    if (this.client.tlsActive) {
      this.#checkPeer();
    }
    const { onConnect } = this.service.handlers;
    if (onConnect === undefined) {
      this.#reply(this.service.greeting);
    } else {
      const done: Done = (reply) =>
        reply === undefined ? this.service.greeting : formatReply(reply);
      const text = this.consult(() => onConnect(this.client), done);
      if (text !== null) {
        this.#reply(text);
      }
    }
    this.#turn();
  }

  // ---- the turn

  onRead(slab: Buffer, length: number): void {
    if (this.#phase !== 'closing') {
      this.#wire.input.open(slab, 0, length);
      this.#turn();
    }
  }

  /** Works through what was read, as far as nothing stands in the way. */
  #turn(): void {
    const { input } = this.#wire;
    while (!this.#consulting) {
      if (this.#phase === 'content' && input.pos < input.end) {
        this.#content?.feed(input);
        this.#finishContent();
      } else if (this.#phase === 'commands' && input.next()) {
        this.#command();
      } else {
        break;
      }
    }
    input.hold();
    this.#settle();
  }

  /** Writes what was said, does what waits for that, and sets reading accordingly. */
  #settle(): void {
    const written = this.#wire.flush();
    if (written && this.#phase === 'starttls') {
      this.#startHandshake();
    } else if (written && this.#phase === 'closing') {
      this.#wire.end();
      return;
    }
    const listening = this.#phase === 'commands' || this.#phase === 'content';
    const paused = this.#consulting || this.#wire.blocked || (this.#content?.full ?? false);
    this.#wire.read(listening && !paused);
  }

  #command(): void {
    const { line, from, to, tooLong } = this.#wire.input;
    const dialogue = this.#dialogue;
    const text = tooLong ? dialogue.refuse(texts.lineTooLong) : dialogue.run(line, from, to);
    if (this.#farewell !== null) {
      this.#sayFarewell();
    } else if (text !== null) {
      this.#reply(text);
    }
  }

  /** Says a reply, and goes on as the dialogue or the reply wants it. */
  #reply(text: string): void {
    const greeting = this.#phase === 'greeting';
    this.#wire.say(text);
    // 221, 421 and 521 end the connection, and so does a greeting that is none.
    if (text.startsWith('21', 1) || (greeting && !text.startsWith('2'))) {
      this.#phase = 'closing';
      return;
    }
    this.#phase = 'commands';
    if (this.#dialogue.errors >= this.service.hardErrorLimit) {
      this.#farewell = texts.tooManyErrors(this.service.options.myhostname);
    }
    if (this.#dialogue.action === 'starttls') {
      this.#phase = 'starttls';
    } else if (this.#dialogue.action === 'data') {
      this.#beginContent();
    } else if (this.#farewell !== null && !greeting) {
      this.#sayFarewell();
    }
  }

  #sayFarewell(): void {
    this.#wire.say(this.#farewell ?? '');
    this.#phase = 'closing';
  }

  // ---- callbacks

  consult(call: () => Answer, done: Done): string | null {
    const text = consult(call, done, (error) => {
      this.#log.callbackFailed(error);
      return texts.localProblem;
    });
    if (typeof text === 'string') {
      return text;
    }
    this.#consulting = true;
    text.then((late) => this.#resume(late));
    return null;
  }

  #resume(text: string): void {
    this.#consulting = false;
    if (this.#phase === 'closed' || this.#phase === 'closing') {
      return;
    }
    this.#armTimeout();
    this.#reply(this.#phase === 'greeting' ? text : this.#dialogue.settled(text));
    this.#turn();
  }

  #beginContent(): void {
    this.#phase = 'content';
    this.#content = new Content({
      service: this.service,
      client: this.client,
      failed: (error) => this.#log.callbackFailed(error),
      wake: () => this.#contentWoke(),
    });
    this.#content.begin();
  }

  #contentWoke(): void {
    if (this.#phase === 'content' || this.#phase === 'reply') {
      this.#armTimeout();
      this.#finishContent();
      this.#turn();
    }
  }

  /** Replies to the end of the message once there is an answer. */
  #finishContent(): void {
    const content = this.#content;
    if (content === null || !content.done) {
      return;
    }
    this.#phase = 'reply';
    const text = content.reply;
    if (text !== null) {
      this.#content = null;
      this.#dialogue.endOfMessage(text);
      this.#reply(text);
    }
  }

  // ---- TLS

  #startHandshake(): void {
    const { context, tlsProps } = this.service;
    this.#phase = 'handshake';
    try {
      if (context === null) {
        throw new TlsError({ code: 'INVALID_STATE', message: 'the TLS context has gone' });
      }
      this.#wire.startTls('server', context, tlsProps);
    } catch (error) {
      this.#log.tlsFailed(error as TlsError);
      this.destroy();
    }
  }

  onHandshake(error: TlsError | null): void {
    this.#dialogue.endOfHandshake(error === null);
    if (error !== null) {
      this.#log.tlsFailed(error);
      this.#interrupted('lost connection', null);
      this.#close();
      return;
    }
    this.client.tlsActive = true;
    this.#phase = 'commands';
    this.#armTimeout();
    this.#checkPeer();
    this.#turn();
  }

  /** Logs the session; a client that had to have a certificate and has none gets a 421 next. */
  #checkPeer(): void {
    this.#log.tlsEstablished();
    if (!this.service.mode.requireCert || this.client.tls?.status === 'Trusted') {
      return;
    }
    const problem =
      this.client.tls?.certificateType === 'x509'
        ? 'Client certificate not trusted'
        : 'No client certificate presented';
    this.#log.tlsAborted(problem);
    this.#farewell = texts.clientCertProblem(this.service.options.myhostname, problem);
  }

  // ---- what else happens to a connection

  onDrain(): void {
    this.#wire.drained();
    this.#turn();
  }

  onTimeout(): void {
    const own = this.#consulting || this.#phase === 'reply' || this.#phase === 'handshake';
    if (own || this.#phase === 'greeting' || (this.#content?.full ?? false)) {
      return; // it is not the client that takes its time
    }
    if (this.#phase === 'closing' || this.#wire.blocked) {
      this.#interrupted('timeout', null);
      this.destroy();
      return;
    }
    this.#interrupted('timeout', null);
    this.#wire.say(texts.timeoutExceeded(this.service.options.myhostname));
    this.#phase = 'closing';
    this.#armTimeout();
    this.#settle();
  }

  onEnd(): void {
    this.#interrupted('lost connection', null);
    this.#phase = 'closing';
    this.#settle();
  }

  onClose(error: TlsError | null): void {
    this.#interrupted('lost connection', error);
    this.#close();
  }

  #interrupted(what: 'lost connection' | 'timeout', error: TlsError | null): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') {
      return;
    }
    const bytes = this.#content === null ? '' : ` (${this.#content.bytes} bytes)`;
    this.#log.interrupted(what, `${this.#dialogue.where}${bytes}`, error);
  }

  #close(): void {
    if (this.#phase === 'closed') {
      return;
    }
    this.#phase = 'closed';
    this.#content?.abandon(new TlsError({ code: 'LOST_CONNECTION' }));
    this.#log.disconnected(this.#dialogue.count);
    this.#wire.connection.owner = null;
    this.#ended(this);
  }

  #armTimeout(): void {
    if (this.#wire.connection.open) {
      this.#wire.connection.setTimeout(this.service.options.timeout);
    }
  }
}
