/**
 * One client of the smtpd engine, on the native connection itself: from accept to close.
 *
 * Drives the exchange with what happens to the connection, and sees to it that nothing piles up:
 * reading stops while the exchange, or the client, makes us wait.
 */
import type { ConnectionOwner } from '../dispatch.js';
import { TlsError } from '../errors.js';
import type { NativeConnection } from '../native.js';
import { Wire } from '../smtp/wire.js';
import { Exchange } from './exchange.js';
import type { Service } from './service.js';
import type { Listed } from './session-list.js';
import * as texts from './texts.js';

/** Milliseconds that a client has for its end of the connection after our last word, whatever it still says. */
const lingerTime = 2000;

export class Session implements ConnectionOwner, Listed {
  place = -1;
  readonly #service: Service;
  readonly #wire: Wire;
  readonly #exchange: Exchange;
  readonly #ended: (session: Session) => void;
  #state: 'naming' | 'open' | 'handshake' | 'closed' = 'naming';
  /** Replies at the beginning of the request that the deadline is for. */
  #request = -1;
  /** The client has ended its side. */
  #peerEnded = false;
  /** It is among the connections of its address. */
  #counted: boolean;
  /** The service ends: nobody is waited for who has nothing half done. */
  #hurried = false;
  #lingering = false;

  /** @param ended called once, when the connection is closed */
  constructor(service: Service, connection: NativeConnection, ended: (session: Session) => void) {
    this.#service = service;
    this.#wire = new Wire(connection, service.options.lineLengthLimit);
    this.#exchange = new Exchange(service, this.#wire, () => this.#goOn());
    this.#ended = ended;
    this.#counted = service.mode.wrappermode; // by the listener, before the handshake
    connection.owner = this;
  }

  /** Finds the client's name and loglevel, and greets. */
  start(): void {
    const { handlers, looksUpLoglevels } = this.#service;
    if (handlers.resolveClientName === undefined && !looksUpLoglevels) {
      this.#greet();
    } else {
      this.#identify().then(() => this.#greet());
    }
  }

  /** Ends the session as soon as nothing is half done. */
  shutdown(): void {
    this.#hurried = true;
    this.#exchange.finish(texts.shuttingDown(this.#service.options.myhostname));
    if (this.#state === 'open') {
      this.#settle();
    } else {
      // A handshake, or the look-up of a name, that goes on may come to its end and hear the 421.
      setTimeout(() => this.#state !== 'open' && this.destroy(), lingerTime).unref();
    }
  }

  /** Ends the session at once. */
  destroy(): void {
    if (this.#state !== 'closed') {
      this.#wire.connection.destroy();
      this.#close();
    }
  }

  async #identify(): Promise<void> {
    const { client, log } = this.#exchange;
    const { handlers, looksUpLoglevels } = this.#service;
    try {
      client.clientName = (await handlers.resolveClientName?.(client.remoteAddress)) || 'unknown';
    } catch (error) {
      log.callbackFailed(error);
    }
    if (looksUpLoglevels) {
      await log.choose();
    }
  }

  #greet(): void {
    if (this.#state === 'closed') {
      return;
    }
    this.#state = 'open';
    this.#exchange.log.connected();
    if (this.#exchange.client.tlsActive) {
      this.#exchange.log.trace(this.#wire.connection);
      this.#logNotices();
      this.#keepSession();
      this.#exchange.checkPeer();
    }
    this.#checkCount();
    this.#exchange.greet();
    this.#goOn();
  }

  /** A client with too many connections gets a 421 in place of the greeting. */
  #checkCount(): void {
    if (this.#counted) {
      return;
    }
    this.#counted = true;
    const { client, log } = this.#exchange;
    const count = this.#service.connections.add(client.remoteAddress);
    if (count !== null) {
      const { myhostname } = this.#service.options;
      log.tooManyConnections(count);
      this.#exchange.finish(texts.tooManyConnections(myhostname, client.namaddr));
    }
  }

  onRead(slab: Buffer, length: number): void {
    if (this.#exchange.state === 'closing') {
      return;
    }
    this.#wire.input.open(slab, 0, length);
    if (this.#exchange.listening && !this.#wire.blocked) {
      this.#exchange.work();
      this.#settle();
    } else {
      // Most waits are over before anything comes; only where it does come, reading has to stop.
      this.#wire.input.hold();
      this.#wire.read(false);
    }
  }

  onDrain(): void {
    this.#wire.drained();
    this.#exchange.work();
    this.#settle();
  }

  /** We have waited for ourselves, which does not count as the client's time. */
  #goOn(): void {
    if (this.#state === 'open') {
      this.#armTimeout();
      this.#exchange.work();
      this.#settle();
    }
  }

  /** Writes what was said, does what waits for that, and sets reading accordingly. */
  #settle(): void {
    const { state, listening } = this.#exchange;
    const done = this.#hasQuit; // 221 and close-notify, which is the end of TLS only, leave as one
    const written = this.#wire.flush(done && this.#exchange.client.tlsActive);
    if (written && state === 'starttls') {
      this.#startHandshake();
    } else if (state === 'closing') {
      this.#leave(written, done);
    } else if (this.#peerEnded && !this.#exchange.busy) {
      this.#interrupted('lost connection', null);
      this.#exchange.breakOff('', 'LOST_CONNECTION');
      this.#wire.end();
    } else if (listening && written) {
      this.#wire.read(true);
      this.#armDeadline();
    }
  }

  /** The client has said QUIT, and nothing behind it. */
  get #hasQuit(): boolean {
    return (
      this.#exchange.state === 'closing' &&
      this.#exchange.dialogue.conduct.where === 'QUIT' &&
      this.#wire.input.buffered === 0
    );
  }

  /**
   * The last word is said; `written`: it is on its way. After QUIT the connection is closed at once, as
   * Postfix does (`tls_fast_shutdown_enable`): the client has said that it says nothing more. A client
   * that was cut short may still be sending, and closing on unread bytes is a reset, which could take
   * our last words with it.
   */
  #leave(written: boolean, done: boolean): void {
    if (written && done) {
      this.#wire.finish();
      return;
    }
    if (!this.#lingering && (written || this.#hurried)) {
      this.#lingering = true;
      this.#wire.setDeadline(lingerTime, 0);
    }
    if (written) {
      this.#wire.end();
    }
  }

  #startHandshake(): void {
    const { context } = this.#service;
    this.#state = 'handshake';
    try {
      if (context === null) {
        throw new TlsError({ code: 'INVALID_STATE', message: 'the TLS context has gone' });
      }
      const { client, log } = this.#exchange;
      const props = this.#service.tlsPropsFor(client.remoteAddress, log.flags);
      this.#wire.startTls('server', context, props);
    } catch (error) {
      this.#exchange.log.tlsFailed(error as TlsError);
      this.destroy();
    }
  }

  onHandshake(error: TlsError | null): void {
    const { dialogue, log } = this.#exchange;
    log.trace(this.#wire.connection);
    dialogue.endOfHandshake(error === null);
    this.#logNotices();
    if (error !== null) {
      log.tlsFailed(error);
      this.#exchange.countNewSession({ tls: null });
      log.interrupted('lost connection', this.#exchange.where, null);
      this.#close();
      return;
    }
    this.#state = 'open';
    this.#keepSession();
    this.#exchange.secured();
    this.#goOn();
  }

  /** Only where server names or sessions are looked up, or tickets logged, is there something to say. */
  #logNotices(): void {
    const { sni, sessions, logFlags } = this.#service;
    if (sni !== null || sessions !== null || logFlags.cache) {
      this.#exchange.log.tlsNotices(this.#wire.connection.takeNotices());
    }
  }

  #keepSession(): void {
    this.#service.sessions?.keep(this.#wire.connection, this.#exchange.client.namaddr);
  }

  onTimeout(): void {
    const { state, busy } = this.#exchange;
    if (this.#state !== 'open' || (busy && state !== 'closing')) {
      return; // it is not the client that takes its time; #goOn() sets a new limit
    }
    if (state === 'closing') {
      this.destroy();
      return;
    }
    this.#interrupted('timeout', null);
    if (this.#wire.blocked) {
      this.destroy(); // a client that does not read will not read this either
      return;
    }
    this.#exchange.breakOff(texts.timeoutExceeded(this.#service.options.myhostname), 'IO_TIMEOUT');
    this.#armTimeout();
    this.#settle();
  }

  /** What the client said before is still answered. */
  onEnd(): void {
    this.#peerEnded = true;
    this.#settle();
  }

  onClose(error: TlsError | null): void {
    this.#interrupted('lost connection', error);
    this.#close();
  }

  #interrupted(what: 'lost connection' | 'timeout', error: TlsError | null): void {
    if (this.#exchange.state !== 'closing') {
      this.#exchange.log.interrupted(what, this.#exchange.where, error);
    }
  }

  #close(): void {
    if (this.#state === 'closed') {
      return;
    }
    if (this.#counted) {
      this.#service.connections.remove(this.#exchange.client.remoteAddress);
    }
    this.#state = 'closed';
    this.#exchange.breakOff('', 'LOST_CONNECTION');
    const { dialogue, log, bareNewlines } = this.#exchange;
    log.trace(this.#wire.connection);
    log.disconnected(dialogue.conduct.count, bareNewlines.noted);
    this.#wire.connection.owner = null;
    this.#ended(this);
  }

  /** Time for each read and write, or, with deadlines, for the request that goes on. */
  #armTimeout(): void {
    const { options } = this.#service;
    if (!options.perRequestDeadline || this.#exchange.state === 'closing') {
      this.#wire.setTimeout(options.timeout);
    } else {
      this.#request = -1;
      this.#armDeadline();
    }
  }

  /** Each request has a budget of its own; while content comes, bytes earn more of it. */
  #armDeadline(): void {
    const { options } = this.#service;
    if (options.perRequestDeadline && this.#request !== this.#exchange.replies) {
      this.#request = this.#exchange.replies;
      const rate = this.#exchange.state === 'content' ? options.minDataRate : 0;
      this.#wire.setDeadline(options.timeout, rate);
    }
  }
}
