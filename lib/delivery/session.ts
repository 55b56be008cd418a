/**
 * A connection of the smtp engine to one server: greeting, EHLO, STARTTLS, EHLO again, then mail.
 *
 * `open` and `send` end in null or a {@link Failure}; nothing a server does makes them reject.
 */
import { channel } from 'node:diagnostics_channel';
import { addon } from '../addon.js';
import '../dispatch.js';
import type { TlsError } from '../errors.js';
import { logEstablished, logHandshakeFailure } from '../log/handshake.js';
import { printable } from '../log/logger.js';
import { type Features, noFeatures, parseFeatures } from '../smtp/extensions.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import { mustEncrypt, type TlsLevel, usesTls } from '../tls/levels.js';
import type { TlsSnapshot } from '../tls/snapshot.js';
import { Conversation, type ConversationEvents, type Peer } from './conversation.js';
import { deferred, type Failure, refused, softened } from './failure.js';
import type { DeliveryService } from './service.js';
import type { Transaction } from './transaction.js';
import { Transfer } from './transfer.js';

export interface SessionProps extends Peer {
  /** `none`, too, after a fall-back to plaintext. */
  readonly level: TlsLevel;
}

type State = 'greeting' | 'ehlo' | 'helo' | 'starttls' | 'ready' | 'mail';

type Done = (failure: Failure | null) => void;

const established = channel('mxtls:tls:established');

export class Session implements ConversationEvents {
  /** Null in plaintext. */
  tls: TlsSnapshot | null = null;
  /** Level reached: the session's, or `none`; null while undecided. */
  reached: TlsLevel | null = null;
  /** TLS was required and not to be had. */
  violated = false;
  /** `host[address]:port` once the server has been reached. */
  relay: string | null = null;

  readonly #service: DeliveryService;
  readonly #props: SessionProps;
  readonly #conversation: Conversation;
  #state: State = 'greeting';
  #features: Features = noFeatures('');
  #transfer: Transfer | null = null;
  #done: Done | null = null;

  /** Begins to connect. @throws TlsError `CONNECT_FAILED` when that is not even possible */
  constructor(service: DeliveryService, props: SessionProps) {
    this.#service = service;
    this.#props = props;
    const { options } = service;
    const connection = addon.connect({
      host: props.address,
      port: props.port,
      path: null,
      localAddress: options.bindAddress === '' ? null : options.bindAddress,
      timeout: options.connectTimeout,
    });
    this.#conversation = new Conversation(connection, props, options.quitTimeout, this);
  }

  /** Resolves when mail can be sent, or with why not. */
  opened(): Promise<Failure | null> {
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  /** `host[address]` */
  get namaddr(): string {
    return this.#conversation.namaddr;
  }

  /** Can carry a message. */
  get usable(): boolean {
    return this.#state === 'ready' && this.#conversation.going;
  }

  /**
   * Sends a message; every recipient of the transaction has an outcome afterwards.
   *
   * @param last no other message follows
   */
  send(transaction: Transaction, last: boolean): Promise<Failure | null> {
    return new Promise((resolve) => {
      this.#state = 'mail';
      this.#transfer = new Transfer({
        conversation: this.#conversation,
        transaction,
        features: this.#features,
        options: this.#service.options,
        last,
        done: (failure) => {
          this.#state = 'ready';
          resolve(failure);
        },
      });
      this.#transfer.start();
    });
  }

  /** Ends the connection politely. */
  quit(): void {
    if (this.#conversation.going && this.#transfer?.quitSaid !== true) {
      this.#conversation.wire.say('QUIT\r\n');
    }
    this.#conversation.quit();
  }

  // ---- events of the conversation

  connected(): void {
    const { options } = this.#service;
    this.relay = this.#conversation.namaddrport;
    if (options.tls.wrappermode) {
      this.#startTls();
    } else {
      this.#awaitGreeting();
    }
  }

  secured(): void {
    this.tls = this.#conversation.wire.connection.snapshot() as TlsSnapshot | null;
    this.reached = this.#props.level;
    this.#logEstablished();
    if (this.#service.options.tls.wrappermode) {
      this.#awaitGreeting();
    } else {
      this.#hello('ehlo');
    }
  }

  notSecured(error: TlsError): void {
    const namaddr = this.#conversation.namaddrport;
    logHandshakeFailure(this.#service.logger, { direction: 'to', namaddr, error });
  }

  replied(reply: ReplyReader): void {
    const accepted = reply.code >= 200 && reply.code < 300;
    switch (this.#state) {
      case 'greeting':
        this.#greeted(reply, accepted);
        break;
      case 'ehlo':
        this.#ehloReplied(reply, accepted);
        break;
      case 'helo':
        this.#heloReplied(reply, accepted);
        break;
      case 'starttls':
        this.#starttlsReplied(reply, accepted);
        break;
      default:
        this.#transfer?.replied(reply);
    }
  }

  unasked(reply: ReplyReader): boolean {
    return this.#state === 'mail' && this.#transfer?.unasked(reply) === true;
  }

  drained(): void {
    this.#transfer?.drained();
  }

  failed(failure: Failure): void {
    if (this.#state === 'mail') {
      this.#transfer?.failed(failure);
    } else {
      this.#settle(failure);
    }
  }

  // ---- the way to the first MAIL

  #awaitGreeting(): void {
    const { heloTimeout } = this.#service.options;
    this.#state = 'greeting';
    this.#conversation.expect(1, 'receiving the initial server greeting', heloTimeout);
    this.#conversation.wire.read(true);
  }

  #greeted(reply: ReplyReader, accepted: boolean): void {
    if (accepted) {
      this.#hello('ehlo');
    } else {
      this.#refuse(softened(refused(reply, this.#refusedToTalk(reply))));
    }
  }

  #hello(verb: 'ehlo' | 'helo'): void {
    const { heloName, heloTimeout } = this.#service.options;
    const name = verb.toUpperCase();
    this.#state = verb;
    this.#conversation.wire.read(true);
    const where = `performing the ${name} handshake`;
    this.#conversation.ask(`${name} ${heloName}\r\n`, where, heloTimeout);
  }

  #ehloReplied(reply: ReplyReader, accepted: boolean): void {
    if (accepted) {
      this.#features = parseFeatures(reply.lines);
      this.#decideTls();
    } else if (reply.code === 421) {
      this.#refuse(refused(reply, this.#refusedToTalk(reply)));
    } else {
      this.#hello('helo');
    }
  }

  #heloReplied(reply: ReplyReader, accepted: boolean): void {
    if (accepted) {
      this.#features = noFeatures(reply.lines[0]?.split(' ')[0] ?? '');
      this.#decideTls();
    } else {
      this.#refuse(refused(reply, this.#refusedToTalk(reply)));
    }
  }

  #decideTls(): void {
    const { level } = this.#props;
    const { context, options } = this.#service;
    if (this.tls !== null || !usesTls(level)) {
      this.#ready();
    } else if (!this.#features.starttls) {
      this.#withoutTls(`TLS is required, but was not offered by host ${this.namaddr}`, '4.7.4');
    } else if (context === null) {
      this.#withoutTls('TLS is required, but our TLS engine is unavailable', '4.7.5');
    } else {
      this.#state = 'starttls';
      const where = 'receiving the STARTTLS response';
      this.#conversation.ask('STARTTLS\r\n', where, options.starttlsTimeout);
    }
  }

  #starttlsReplied(reply: ReplyReader, accepted: boolean): void {
    if (accepted) {
      this.#startTls();
      return;
    }
    const said = printable(reply.text);
    const text = `TLS is required, but host ${this.namaddr} refused to start TLS: ${said}`;
    if (mustEncrypt(this.#props.level)) {
      this.violated = true;
      this.#refuse(refused(reply, text));
    } else {
      this.#ready();
    }
  }

  #startTls(): void {
    const { context } = this.#service;
    const props = this.#service.tlsProps(this.#props.level, this.#props.host);
    if (context === null || props === null) {
      this.#refuse(deferred('refused', '4.7.5', 'client TLS configuration problem'));
      return;
    }
    this.#features = noFeatures('');
    this.#conversation.startTls(context, props);
  }

  /** No TLS on this connection: fine, or the end of it. */
  #withoutTls(text: string, dsn: string): void {
    if (mustEncrypt(this.#props.level)) {
      this.violated = true;
      this.#refuse(deferred('refused', dsn, text));
    } else {
      this.#ready();
    }
  }

  #ready(): void {
    this.reached ??= 'none';
    this.#state = 'ready';
    this.#settle(null);
  }

  #refuse(failure: Failure): void {
    this.quit();
    this.#settle(failure);
  }

  #settle(failure: Failure | null): void {
    const done = this.#done;
    this.#done = null;
    done?.(failure);
  }

  #refusedToTalk(reply: ReplyReader): string {
    return `host ${this.namaddr} refused to talk to me: ${printable(reply.text)}`;
  }

  #logEstablished(): void {
    const { logger, logFlags: flags } = this.#service;
    const snapshot = this.tls;
    if (snapshot !== null && (flags.summary || established.hasSubscribers)) {
      const namaddr = this.#conversation.namaddrport;
      logEstablished(logger, { snapshot, direction: 'to', use: 'established', namaddr, flags });
    }
  }
}
