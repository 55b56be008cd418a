/**
 * Talking with a server on the native connection itself: commands out, whole replies in.
 *
 * Knows which replies are awaited; one that nobody has asked for, one that came before its command,
 * one without end, silence and a broken connection all end the conversation with a {@link Failure}.
 * Nothing is thrown at the caller. Lines that are no replies are passed over, with a warning.
 */
import { constants } from 'node:os';
import type { ConnectionOwner } from '../dispatch.js';
import type { TlsError } from '../errors.js';
import { printable } from '../log/logger.js';
import { systemErrorText } from '../log/system-error.js';
import type { NativeConnection, NativeContext, StartTlsProps } from '../native.js';
import { ReplyReader } from '../smtp/reply-reader.js';
import { Wire } from '../smtp/wire.js';
import type { SessionAnswer } from '../tlsproxy/answer.js';
import { deferred, type Failure } from './failure.js';

/** Longer lines are cut: `line_length_limit`. RFC 5321 has 512, real servers more. */
const replyLineLimit = 2048;

/** Bytes that a server may say without coming to the end of a reply. */
const replyLimit = 64 * 1024;

/** Milliseconds that a server has for its end of the connection when its last reply is not wanted. */
const lingerTime = 10_000;

/** Whom we talk to. */
export interface Peer {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

export interface ConversationOptions {
  /** Milliseconds that the server has for its end of the connection. */
  readonly quitTimeout: number;
  /** Do not wait for the reply to QUIT. */
  readonly skipQuitResponse: boolean;
  /** The time limits are for whole requests, not for each read and write. */
  readonly perRequestDeadline: boolean;
}

export interface ConversationEvents {
  connected(): void;
  /** The reply to the oldest unanswered command. */
  replied(reply: ReplyReader): void;
  /** A reply to nothing; false: it breaks the protocol. */
  unasked(reply: ReplyReader): boolean;
  /** What was traced of TLS, at the end of the handshake and of the connection. */
  traced(trace: string | null): void;
  /** The handshake is done. */
  secured(): void;
  /** The handshake failed; `failed` follows. */
  notSecured(error: TlsError): void;
  /** The connection broke with this; `failed` follows. */
  brokenBy(error: TlsError): void;
  /** The server said something that is no reply; it is passed over. */
  puzzled(line: string): void;
  /** What was written has left. */
  drained(): void;
  /** It is over, and not as intended. */
  failed(failure: Failure): void;
}

/** What a handshake came to, of the connection itself or from where it was made. */
export type TlsFacts = Pick<NativeConnection, 'snapshot' | 'takeNotices' | 'claims'>;

/** TLS was done elsewhere, which has this to say. */
export type ProxiedTls = Pick<SessionAnswer, 'id' | 'tls' | 'claims' | 'notices'>;

export class Conversation implements ConnectionOwner {
  readonly wire: Wire;
  /** `host[address]` */
  readonly namaddr: string;
  /** `host[address]:port` */
  readonly namaddrport: string;

  /** The server's socket is, or was, a tlsproxy's. */
  passedOn = false;

  readonly #events: ConversationEvents;
  readonly #options: ConversationOptions;
  readonly #reply = new ReplyReader();
  #where = 'connecting';
  #awaited = 0;
  #timeout = 0;
  #traced = false;
  #secured = false;
  #proxied: ProxiedTls | null = null;
  #whenOver: (() => void) | null = null;
  /** Bytes read since the end of the last reply. */
  #unfinished = 0;
  #state: 'connecting' | 'talking' | 'handshake' | 'quitting' | 'over' = 'connecting';

  /**
   * @param connection connecting
   */
  constructor(
    connection: NativeConnection,
    peer: Peer,
    options: ConversationOptions,
    events: ConversationEvents,
  ) {
    this.wire = new Wire(connection, replyLineLimit);
    this.namaddr = `${peer.host}[${peer.address}]`;
    this.namaddrport = `${this.namaddr}:${peer.port}`;
    this.#options = options;
    this.#events = events;
    connection.owner = this;
  }

  /** Neither failed nor ended. */
  get going(): boolean {
    return this.#state !== 'over' && this.#state !== 'quitting';
  }

  /**
   * What we are doing, for texts, and how long the server may take for it.
   *
   * @param minDataRate with deadlines: bytes per second that earn more time
   */
  expect(replies: number, where: string, timeout: number, minDataRate = 0): void {
    this.#awaited += replies;
    this.#where = where;
    if (this.#options.perRequestDeadline) {
      this.wire.setDeadline(timeout, minDataRate);
    } else if (timeout !== this.#timeout) {
      this.#timeout = timeout;
      this.wire.setTimeout(timeout);
    }
  }

  /** Sends one command in lock step: the server must not have answered it already. */
  ask(command: string, where: string, timeout: number): void {
    if (this.refusesEarly()) {
      return;
    }
    this.expect(1, where, timeout);
    this.wire.say(command);
    this.wire.flush();
  }

  /** Something was read that nothing was asked for yet: ends the conversation. */
  refusesEarly(): boolean {
    if (this.wire.input.buffered === 0) {
      return false;
    }
    this.breakOff('sent a reply ahead of the command');
    return true;
  }

  /** TLS comes next, but not yet: what the server says meanwhile is not read as plaintext. */
  awaitTls(): void {
    this.#state = 'handshake';
    this.wire.read(false);
  }

  startTls(context: NativeContext, props: StartTlsProps, prepared = false): void {
    this.#state = 'handshake';
    this.#traced = props.traceLimit > 0;
    try {
      this.wire.startTls('client', context, prepared ? null : props);
    } catch (error) {
      const { code, message } = error as TlsError;
      const kind = code === 'EARLY_PLAINTEXT' ? 'protocol' : 'handshake';
      this.#abort(deferred(kind, '4.7.5', `Cannot start TLS: ${message}`));
    }
  }

  /** The server's socket is somebody else's now, who does its TLS: {@link goOn} follows, or `onHandshake` with an error. */
  passOn(): void {
    this.passedOn = true;
    this.wire.connection.owner = null;
    this.wire.connection.destroy();
  }

  /**
   * Goes on with the inside of a TLS session.
   *
   * @param read what was read of it already
   */
  goOn(inside: NativeConnection, read: Buffer, proxied: ProxiedTls): void {
    if (this.#state !== 'handshake') {
      inside.destroy();
      return;
    }
    this.#proxied = proxied;
    this.wire.moveTo(inside);
    inside.owner = this;
    this.onHandshake(null);
    if (read.length > 0) {
      this.onRead(read, read.length);
    }
  }

  /** Goes on with the inside of a TLS session that another process has left. */
  takeUp(proxied: ProxiedTls): void {
    this.passedOn = true;
    this.#proxied = proxied;
    this.#state = 'talking';
    this.wire.read(true);
  }

  /** What the tlsproxy says that does our TLS; null: none does. */
  get proxied(): ProxiedTls | null {
    return this.#proxied;
  }

  get tlsFacts(): TlsFacts {
    const proxied = this.#proxied;
    return proxied === null
      ? this.wire.connection
      : {
          snapshot: () => proxied.tls,
          claims: () => proxied.claims,
          takeNotices: () => (proxied.notices.length === 0 ? null : proxied.notices),
        };
  }

  /**
   * Ends politely; whatever happens from now on is of no interest.
   *
   * @param farewell the last command; empty when it was said already
   */
  quit(farewell: string): void {
    if (!this.going) {
      return;
    }
    this.#state = 'quitting';
    const { skipQuitResponse, quitTimeout } = this.#options;
    this.wire.say(farewell);
    this.wire.flush(skipQuitResponse && this.#secured); // QUIT and close-notify leave as one
    this.wire.setTimeout(skipQuitResponse ? Math.min(lingerTime, quitTimeout) : quitTimeout);
    if (skipQuitResponse || this.wire.blocked) {
      this.wire.end();
    }
  }

  /** Ends without a word to the server; resolves when the other end has ended, too. */
  leave(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.going) {
        resolve();
        return;
      }
      this.#whenOver = resolve;
      this.#state = 'quitting';
      this.wire.setTimeout(this.#options.quitTimeout);
      this.wire.end();
    });
  }

  /** Ends at once. */
  destroy(): void {
    this.#over();
  }

  /** The server broke the protocol. */
  breakOff(how: string): void {
    this.#abort(deferred('protocol', '4.5.0', `Protocol error: host ${this.namaddr} ${how}`));
  }

  onConnect(error: TlsError | null): void {
    if (error !== null) {
      this.#abort(this.#connectFailure(error));
      return;
    }
    this.#state = 'talking';
    this.#events.connected();
  }

  onRead(slab: Buffer, length: number): void {
    if (!this.going) {
      this.#quitAnswered();
      return;
    }
    const { input } = this.wire;
    input.open(slab, 0, length);
    this.#unfinished += length;
    while (this.#state === 'talking' && input.next()) {
      this.#line();
    }
    input.hold();
    if (this.#unfinished > replyLimit && this.#state === 'talking') {
      this.breakOff('sent a reply without end');
    }
  }

  /** The server need not end its side first where nobody waits for the reply anyway. */
  #quitAnswered(): void {
    if (this.wire.ended) {
      this.#over();
    } else {
      this.wire.end();
    }
  }

  #line(): void {
    const { line, from, to } = this.wire.input;
    const progress = this.#reply.push(line, from, to);
    if (progress === 'garbage') {
      this.#events.puzzled(printable(line.toString('latin1', from, Math.min(to, from + 100))));
    } else if (progress === 'done') {
      this.#unfinished = 0;
      if (this.#awaited > 0) {
        this.#awaited--;
        this.#events.replied(this.#reply);
      } else if (!this.#events.unasked(this.#reply)) {
        this.breakOff(`sent a reply to nothing: ${printable(this.#reply.text)}`);
      }
    }
  }

  onHandshake(error: TlsError | null): void {
    if (this.#state !== 'handshake') {
      return;
    }
    this.#tellTrace();
    if (error !== null) {
      this.#events.notSecured(error);
      this.#abort(deferred('handshake', '4.7.5', 'Cannot start TLS: handshake failure'));
      return;
    }
    this.#state = 'talking';
    this.#secured = true;
    this.#timeout = 0;
    this.#events.secured();
  }

  onDrain(): void {
    this.wire.drained();
    if (this.going) {
      this.#events.drained();
    }
  }

  onTimeout(): void {
    const text = `conversation with ${this.namaddr} timed out while ${this.#where}`;
    this.#abort(deferred('interrupted', '4.4.2', text));
  }

  onEnd(): void {
    this.#lost(null);
  }

  onClose(error: TlsError | null): void {
    this.#lost(error);
  }

  #lost(error: TlsError | null): void {
    if (this.going && error !== null) {
      this.#events.brokenBy(error);
    }
    const text = `lost connection with ${this.namaddr} while ${this.#where}`;
    this.#abort(deferred('interrupted', '4.4.2', text));
  }

  #connectFailure(error: TlsError): Failure {
    const errno = error.class === 'timeout' ? constants.errno.ETIMEDOUT : error.errno;
    const reason = errno === 0 ? error.message : systemErrorText(errno);
    return deferred('connect', '4.4.1', `connect to ${this.namaddrport}: ${reason}`);
  }

  #abort(failure: Failure): void {
    const { going } = this;
    this.#over();
    if (going) {
      this.#events.failed(failure);
    }
  }

  #over(): void {
    this.#state = 'over';
    this.wire.connection.owner = null;
    this.wire.connection.destroy();
    this.#whenOver?.();
    this.#tellTrace();
  }

  #tellTrace(): void {
    if (this.#traced) {
      this.#events.traced(this.wire.connection.takeTrace());
    }
  }
}
