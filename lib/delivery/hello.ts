/**
 * The way from a connection to the first MAIL: greeting, EHLO, STARTTLS, EHLO again, AUTH.
 *
 * What the server said in plaintext about itself is forgotten when TLS begins (RFC 3207 section 4.2).
 */
import { channel } from 'node:diagnostics_channel';
import type { TlsError } from '../errors.js';
import { logEstablished, logHandshakeFailure } from '../log/handshake.js';
import { printable } from '../log/logger.js';
import { type Features, noFeatures, parseFeatures } from '../smtp/extensions.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import { mustEncrypt, type TlsLevel, usesTls } from '../tls/levels.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { Conversation } from './conversation.js';
import { type LoginCredentials, Login } from './login.js';
import { deferred, type Failure, refused, softened } from './failure.js';
import type { Resumption } from './resumption.js';
import type { DeliveryService } from './service.js';
import type { SessionTarget } from './tls-sessions.js';

export interface HelloProps {
  readonly service: DeliveryService;
  readonly conversation: Conversation;
  /** Whom sessions belong to. */
  readonly target: SessionTarget;
  readonly level: TlsLevel;
  /** Name of the server. */
  readonly host: string;
  readonly credentials: LoginCredentials | null;
  /** Mail may be sent (null), or not. */
  readonly done: (failure: Failure | null) => void;
}

type State = 'greeting' | 'ehlo' | 'helo' | 'starttls' | 'auth';

const established = channel('mxtls:tls:established');

export class Hello {
  features: Features = noFeatures('');
  /** Null in plaintext. */
  tls: TlsSnapshot | null = null;
  /** Level reached: the connection's, or `none`; null while undecided. */
  reached: TlsLevel | null = null;
  /** TLS was required and not to be had. */
  violated = false;

  readonly #props: HelloProps;
  #state: State = 'greeting';
  #login: Login | null = null;
  /** Null without a session cache. */
  #resumption: Resumption | null = null;

  constructor(props: HelloProps) {
    this.#props = props;
  }

  /** The connection stands. */
  start(): void {
    if (this.#props.service.options.tls.wrappermode) {
      this.#lookForSession();
      this.#startTls();
    } else {
      this.#awaitGreeting();
    }
  }

  secured(): void {
    const { service, conversation, level } = this.#props;
    this.tls = conversation.wire.connection.snapshot() as TlsSnapshot | null;
    this.reached = level;
    this.#logEstablished();
    if (this.tls?.resumed === true && service.logFlags.cache) {
      service.logger.info(`${conversation.namaddrport}: Reusing old session`);
    }
    if (service.options.tls.wrappermode) {
      this.#awaitGreeting();
    } else {
      this.#hello(service.options.neverSendEhlo ? 'helo' : 'ehlo');
    }
  }

  notSecured(error: TlsError): void {
    const { service, conversation } = this.#props;
    const namaddr = conversation.namaddrport;
    logHandshakeFailure(service.logger, { direction: 'to', namaddr, error });
    this.#resumption?.failed();
  }

  /** Keeps the server's session for later connections, when it has given one. */
  keepSession(): void {
    if (this.#resumption !== null && this.tls !== null) {
      this.#resumption.keep(this.#props.conversation.wire.connection, this.tls.protocol);
    }
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
        this.#authReplied(reply);
    }
  }

  #awaitGreeting(): void {
    const { conversation, service } = this.#props;
    this.#state = 'greeting';
    const where = 'receiving the initial server greeting';
    conversation.expect(1, where, service.options.heloTimeout);
    conversation.wire.read(true);
  }

  #greeted(reply: ReplyReader, accepted: boolean): void {
    const { alwaysSendEhlo, neverSendEhlo, skip5xxGreeting } = this.#props.service.options;
    if (!accepted) {
      const failure = refused(reply, this.#refusedToTalk(reply));
      this.#refuse(skip5xxGreeting ? softened(failure) : failure);
      return;
    }
    const esmtp = alwaysSendEhlo || /\bESMTP\b/i.test(reply.lines.join(' '));
    this.#hello(esmtp && !neverSendEhlo ? 'ehlo' : 'helo');
  }

  #hello(verb: 'ehlo' | 'helo'): void {
    const { conversation, service } = this.#props;
    const { heloName, heloTimeout } = service.options;
    const name = verb.toUpperCase();
    this.#state = verb;
    conversation.wire.read(true);
    conversation.ask(`${name} ${heloName}\r\n`, `performing the ${name} handshake`, heloTimeout);
  }

  #ehloReplied(reply: ReplyReader, accepted: boolean): void {
    this.keepSession();
    if (accepted) {
      const { discardEhloKeywords } = this.#props.service.options;
      this.features = parseFeatures(reply.lines, discardEhloKeywords);
      this.#decideTls();
    } else if (reply.code === 421) {
      this.#refuse(refused(reply, this.#refusedToTalk(reply)));
    } else {
      this.#hello('helo');
    }
  }

  #heloReplied(reply: ReplyReader, accepted: boolean): void {
    if (accepted) {
      this.features = noFeatures(reply.lines[0]?.split(' ')[0] ?? '');
      this.#decideTls();
    } else {
      this.#refuse(refused(reply, this.#refusedToTalk(reply)));
    }
  }

  #decideTls(): void {
    const { conversation, service, level } = this.#props;
    if (this.tls !== null || !usesTls(level)) {
      this.#authenticate();
    } else if (!this.features.starttls) {
      const text = `TLS is required, but was not offered by host ${conversation.namaddr}`;
      this.#withoutTls(deferred('refused', '4.7.4', text));
    } else if (service.context === null) {
      const text = 'TLS is required, but our TLS engine is unavailable';
      this.#withoutTls(deferred('refused', '4.7.5', text));
    } else {
      this.#state = 'starttls';
      this.#lookForSession();
      const where = 'receiving the STARTTLS response';
      conversation.ask('STARTTLS\r\n', where, service.options.starttlsTimeout);
    }
  }

  #starttlsReplied(reply: ReplyReader, accepted: boolean): void {
    if (accepted) {
      this.#startTls();
      return;
    }
    const { namaddr } = this.#props.conversation;
    const said = printable(reply.text);
    const text = `TLS is required, but host ${namaddr} refused to start TLS: ${said}`;
    this.#withoutTls(refused(reply, text));
  }

  #startTls(): void {
    const { conversation, service, level, host } = this.#props;
    const { context } = service;
    const props = service.tlsProps(level, host);
    if (context === null || props === null) {
      this.#refuse(deferred('refused', '4.7.5', 'client TLS configuration problem'));
      return;
    }
    this.features = noFeatures('');
    if (this.#resumption === null) {
      conversation.startTls(context, props);
      return;
    }
    if (!this.#resumption.settled) {
      conversation.awaitTls();
    }
    this.#resumption.whenFound((session) => {
      if (conversation.going) {
        conversation.startTls(context, { ...props, session });
      }
    });
  }

  /** Begins to, so that the session is there when the server is ready for TLS. */
  #lookForSession(): void {
    const { service, level, host, target } = this.#props;
    const { context, sessions } = service;
    const props = sessions === null || context === null ? null : service.tlsProps(level, host);
    if (sessions !== null && context !== null && props !== null) {
      this.#resumption = sessions.resume(target, this.features.name, context, props);
    }
  }

  /** No TLS on this connection: fine, or the end of it. */
  #withoutTls(failure: Failure): void {
    if (mustEncrypt(this.#props.level)) {
      this.violated = true;
      this.#refuse(failure);
    } else {
      this.#authenticate();
    }
  }

  #authenticate(): void {
    const { service, conversation, credentials } = this.#props;
    this.reached ??= 'none';
    if (credentials === null || this.features.auth.length === 0) {
      this.#props.done(null);
      return;
    }
    this.#state = 'auth';
    const refusedMechanisms = service.securityOptions(this.tls);
    this.#login = new Login(credentials, this.features.auth, refusedMechanisms);
    const first = this.#login.begin();
    if (first === null) {
      const text = `SASL authentication failed; cannot authenticate to server ${conversation.namaddr}: no mechanism available`;
      this.#refuse(deferred('refused', '4.7.0', text));
    } else {
      conversation.ask(first, 'performing the AUTH handshake', service.options.heloTimeout);
    }
  }

  #authReplied(reply: ReplyReader): void {
    const { service, conversation } = this.#props;
    const next = this.#login?.answer(reply) ?? null;
    if (next === 'done') {
      this.#props.done(null);
    } else if (next === null) {
      const said = printable(reply.text);
      const text = `SASL authentication failed; server ${conversation.namaddr} said: ${said}`;
      this.#refuse(softened(refused(reply, text)));
    } else {
      conversation.ask(next, 'performing the AUTH handshake', service.options.heloTimeout);
    }
  }

  #refuse(failure: Failure): void {
    this.#props.conversation.quit('QUIT\r\n');
    this.#props.done(failure);
  }

  #refusedToTalk(reply: ReplyReader): string {
    const { namaddr } = this.#props.conversation;
    return `host ${namaddr} refused to talk to me: ${printable(reply.text)}`;
  }

  #logEstablished(): void {
    const { service, conversation } = this.#props;
    const { logger, logFlags: flags } = service;
    const snapshot = this.tls;
    if (snapshot !== null && (flags.summary || established.hasSubscribers)) {
      const namaddr = conversation.namaddrport;
      logEstablished(logger, { snapshot, direction: 'to', use: 'established', namaddr, flags });
    }
  }
}
