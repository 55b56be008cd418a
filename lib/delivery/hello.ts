/**
 * The way from a connection to the first MAIL: greeting, EHLO, STARTTLS, EHLO again, AUTH.
 *
 * What the server said in plaintext about itself is forgotten when TLS begins (RFC 3207 section 4.2).
 */
import type { TlsError } from '../errors.js';
import { printable } from '../log/logger.js';
import type { LogFlags } from '../log/loglevel.js';
import type { HostPolicy } from '../policy/policy.js';
import { type Features, noFeatures, parseFeatures } from '../smtp/extensions.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import type { HelloKind } from '../tls/hello-groups.js';
import { mustEncrypt, type TlsLevel, usesTls } from '../tls/levels.js';
import type { TlsrptAttempt } from '../tlsrpt/index.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { Conversation } from './conversation.js';
import { type LoginCredentials, Login } from './login.js';
import { deferred, type Failure, refused, softened } from './failure.js';
import { effectiveLevel, isAuthenticated, isMatched } from './peer.js';
import type { RequiretlsRequest } from './requiretls.js';
import type { Resumption } from './resumption.js';
import type { DeliveryService } from './service.js';
import { isSilence, SessionLog } from './session-log.js';

/** What {@link Hello} needs of it. */
export type HelloService = Pick<
  DeliveryService,
  | 'options'
  | 'logger'
  | 'context'
  | 'contextFor'
  | 'tlsProps'
  | 'isPrepared'
  | 'securityOptions'
  | 'sessions'
>;

export interface HelloProps {
  readonly service: HelloService;
  readonly conversation: Conversation;
  readonly policy: HostPolicy;
  /** TLS has failed, and the policy does not insist. */
  readonly plaintext: boolean;
  readonly hello: HelloKind;
  /** Name of the server. */
  readonly host: string;
  readonly address: string;
  readonly nexthop: string;
  readonly credentials: LoginCredentials | null;
  readonly requiretls: RequiretlsRequest | null;
  readonly logFlags: LogFlags;
  readonly tlsrpt: TlsrptAttempt | null;
  /** Has TLS done by a tlsproxy, or, where there is none, here; null: it is done here. */
  readonly shared: ((here: () => void) => void) | null;
  /** Mail may be sent (null), or not. */
  readonly done: (failure: Failure | null) => void;
}

type State = 'greeting' | 'ehlo' | 'helo' | 'starttls' | 'auth';

export class Hello {
  features: Features = noFeatures('');
  /** Null in plaintext. */
  tls: TlsSnapshot | null = null;
  /** Level reached: the effective one of the session, or `none`; null while undecided. */
  reached: TlsLevel | null = null;
  /** TLS was required and not to be had. */
  violated = false;
  /** The handshake broke off without a word of the server: perhaps the ClientHello was too large for it. */
  choked = false;

  readonly #props: HelloProps;
  readonly #tell: SessionLog;
  #state: State = 'greeting';
  #login: Login | null = null;
  /** Null without a session cache. */
  #resumption: Resumption | null = null;

  constructor(props: HelloProps) {
    this.#props = props;
    this.#tell = new SessionLog(props);
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
    const { service, conversation, policy, tlsrpt } = this.#props;
    const snapshot = conversation.tlsFacts.snapshot() as TlsSnapshot;
    this.tls = snapshot;
    this.#tell.established(snapshot);
    const level = effectiveLevel(policy.level, snapshot);
    if (!isAuthenticated(level, snapshot)) {
      this.#tell.unauthenticated(snapshot);
      this.violated = true;
      const because = snapshot.status === 'Trusted' ? 'mismatch' : 'untrusted';
      const { namaddr } = conversation;
      const demanded = this.#props.requiretls?.at({ at: 'not-matched', because, namaddr }) ?? null;
      this.#refuse(demanded ?? deferred('refused', '4.7.5', 'Server certificate not verified'));
      return;
    }
    this.reached = level;
    tlsrpt?.success(snapshot.resumed);
    if (service.options.tls.wrappermode) {
      this.#awaitGreeting();
    } else {
      this.#hello(service.options.neverSendEhlo ? 'helo' : 'ehlo');
    }
  }

  notSecured(error: TlsError): void {
    this.choked = isSilence(error);
    this.#tell.failed(error);
    this.#resumption?.failed();
  }

  /** Keeps the server's session for later connections, when it has given one. */
  keepSession(): void {
    if (this.tls !== null) {
      this.#resumption?.keep(this.#props.conversation.wire.connection);
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
      if (this.tls === null) {
        this.#props.tlsrpt?.setHelo(reply.raw);
      }
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
    const { conversation, service, policy, plaintext } = this.#props;
    if (this.tls !== null || plaintext || !usesTls(policy.level)) {
      this.#tell.offer(this.features.starttls);
      this.#askForRequiretls();
    } else if (!this.features.starttls) {
      this.#tell.noStarttls(this.#demandsTls);
      const { namaddr } = conversation;
      const text = `TLS is required, but was not offered by host ${namaddr}`;
      this.#withoutTls(
        this.#props.requiretls?.at({ at: 'starttls-not-offered', namaddr }) ??
          deferred('refused', '4.7.4', text),
      );
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
    this.#tell.noStarttls(true);
    const said = printable(reply.text);
    const text = `TLS is required, but host ${namaddr} refused to start TLS: ${said}`;
    this.#withoutTls(
      this.#props.requiretls?.at({ at: 'starttls-rejected', namaddr, reply: said }) ??
        refused(reply, text),
    );
  }

  #startTls(): void {
    const { conversation, service, policy, hello, logFlags } = this.#props;
    const context = service.contextFor(hello);
    const props = service.tlsProps(policy, logFlags);
    if (context === null || props === null) {
      this.#refuse(deferred('refused', '4.7.5', 'client TLS configuration problem'));
      return;
    }
    this.features = noFeatures('');
    this.#tell.begins();
    const here = (): void => {
      if (this.#resumption === null) {
        conversation.startTls(context, props, service.isPrepared(context, props));
      } else {
        this.#resumption.startTls(conversation, context, props);
      }
    };
    if (this.#props.shared === null) {
      here();
    } else {
      this.#props.shared(here);
    }
  }

  /** Goes on where another process has left off. */
  takeUp(features: Features, tls: TlsSnapshot): void {
    this.features = features;
    this.tls = tls;
    this.reached = effectiveLevel(this.#props.policy.level, tls);
  }

  /** Begins to, so that the session is there when the server is ready for TLS. */
  #lookForSession(): void {
    const { service, policy, logFlags } = this.#props;
    const { sessions, context } = service;
    const props =
      sessions === null || this.#props.shared !== null ? null : service.tlsProps(policy, logFlags);
    if (sessions !== null && context !== null && props !== null) {
      const target = { ...this.#props, level: policy.level };
      this.#resumption = sessions.resume(target, this.features.name, context, props);
    }
  }

  /** No TLS on this connection: fine, or the end of it. */
  #withoutTls(failure: Failure): void {
    this.violated = mustEncrypt(this.#props.policy.level);
    if (this.#demandsTls) {
      this.#refuse(failure);
    } else {
      this.#askForRequiretls();
    }
  }

  /** By the level, or by REQUIRETLS. */
  get #demandsTls(): boolean {
    const { policy, requiretls } = this.#props;
    return mustEncrypt(policy.level) || requiretls?.forbidsPlaintext === true;
  }

  /** The server has said all that it offers; REQUIRETLS counts in TLS alone (RFC 8689 section 2). */
  #askForRequiretls(): void {
    const { requiretls, conversation } = this.#props;
    this.reached ??= 'none';
    const { namaddr } = conversation;
    const offered = this.tls !== null && this.features.requiretls;
    const failure = requiretls?.at(
      offered ? { at: 'requiretls-offered' } : { at: 'requiretls-not-offered', namaddr },
    );
    if (failure === undefined || failure === null) {
      this.#authenticate();
    } else {
      this.#refuse(failure);
    }
  }

  #authenticate(): void {
    const { service, conversation, credentials, policy } = this.#props;
    if (credentials === null || this.features.auth.length === 0) {
      this.#props.done(null);
      return;
    }
    this.#state = 'auth';
    const refusedMechanisms = service.securityOptions(
      this.tls,
      this.tls !== null && isMatched(policy.level, this.tls),
    );
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
}
