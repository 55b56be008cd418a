/**
 * A connection of the smtp engine to one server: opened once, then a message, or several.
 *
 * `opened` and `send` end in null or a {@link Failure}; nothing a server does makes them reject.
 */
import { isIPv6 } from 'node:net';
import { addon } from '../addon.js';
import '../dispatch.js';
import type { TlsError } from '../errors.js';
import { libraryProblems } from '../log/handshake.js';
import { printable } from '../log/logger.js';
import type { LogFlags } from '../log/loglevel.js';
import { logTrace } from '../log/trace.js';
import type { NativeConnection } from '../native.js';
import type { HostPolicy } from '../policy/policy.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import { systemClock } from '../tls/chain-keeper.js';
import type { HelloKind } from '../tls/hello-groups.js';
import type { TlsLevel } from '../tls/levels.js';
import type { TlsSnapshot } from '../snapshot.js';
import {
  Conversation,
  type ConversationEvents,
  type Peer,
  type ProxiedTls,
} from './conversation.js';
import { type Failure, refused } from './failure.js';
import { Hello } from './hello.js';
import type { LoginCredentials } from './login.js';
import type { RequiretlsRequest } from './requiretls.js';
import type { DeliveryService } from './service.js';
import type { ReuseKey, TakenConnection } from './shared-connections.js';
import { type HostReport, reportConnection } from './tlsrpt.js';
import type { Transaction } from './transaction.js';
import { Transfer } from './transfer.js';

export interface SessionProps extends Peer {
  readonly policy: HostPolicy;
  /** The fall-back to plaintext. */
  readonly plaintext: boolean;
  readonly hello: HelloKind;
  readonly credentials: LoginCredentials | null;
  /** Null: nobody asks for REQUIRETLS. */
  readonly requiretls: RequiretlsRequest | null;
  /** What is logged about TLS with this server. */
  readonly logFlags: LogFlags;
  /** As the caller named it, with brackets and port. */
  readonly nexthop: string;
  /** Told of what becomes of TLS; null: nobody wants to know. */
  readonly report: HostReport | null;
  /** Whatever the policy says, no tlsproxy does its TLS. */
  readonly direct?: true;
}

type Done = (failure: Failure | null) => void;

export class Session implements ConversationEvents {
  readonly props: SessionProps;
  /** `host[address]:port` once the server has been reached. */
  relay: string | null = null;
  /** Messages that this connection has been used for. */
  uses = 0;
  readonly begun: number;

  readonly #service: DeliveryService;
  readonly #conversation: Conversation;
  readonly #hello: Hello;
  #state: 'opening' | 'idle' | 'reset' | 'mail' = 'opening';
  #transfer: Transfer | null = null;
  /** The last transaction did not end by itself, or nobody knows whether the server is still there. */
  #dirty = false;
  /** Why the connection is over. */
  #failure: Failure | null = null;
  #opened: Done | null = null;
  /** It was said that the server says what is no reply. */
  #puzzled = false;

  /**
   * Begins to connect, or goes on with what another process has left: it is opened then.
   *
   * @throws TlsError `CONNECT_FAILED` when that is not even possible
   */
  constructor(service: DeliveryService, props: SessionProps, taken: TakenConnection | null = null) {
    this.#service = service;
    this.props = props;
    this.begun = taken?.begun ?? systemClock.now();
    const { options, shared } = service;
    const native = taken?.native ?? connect(service, props);
    this.#conversation = new Conversation(native, props, options, this);
    this.#hello = new Hello({
      service,
      conversation: this.#conversation,
      policy: props.policy,
      plaintext: props.plaintext,
      hello: props.hello,
      host: props.host,
      address: props.address,
      nexthop: props.nexthop,
      credentials: props.credentials,
      requiretls: props.requiretls,
      logFlags: props.logFlags,
      tlsrpt: props.report?.attempt ?? null,
      shared:
        shared?.serves(props) === true
          ? (here) => void shared.startTls(this.#conversation, props, here)
          : null,
      done: (failure) => this.#settleOpening(failure),
    });
    if (taken !== null) {
      this.#takeUp(taken);
    }
  }

  /** `host[address]` */
  get namaddr(): string {
    return this.#conversation.namaddr;
  }

  get tls(): TlsSnapshot | null {
    return this.#hello.tls;
  }

  /** Level reached, `none` in plaintext; null while undecided. */
  get reached(): TlsLevel | null {
    return this.#hello.reached;
  }

  /** TLS was required and not to be had. */
  get violated(): boolean {
    return this.#hello.violated;
  }

  /** The handshake broke off without a word of the server. */
  get choked(): boolean {
    return this.#hello.choked;
  }

  /** What the tlsproxy says that does its TLS; null: none does. */
  get proxied(): ProxiedTls | null {
    return this.#conversation.proxied;
  }

  /** A tlsproxy had, or has, the server's socket. */
  get passedOn(): boolean {
    return this.#conversation.passedOn;
  }

  /** Can carry a message. */
  get usable(): boolean {
    return this.#state === 'idle' && this.#conversation.going && this.#transfer?.quitSaid !== true;
  }

  /** Resolves when mail can be sent, or with why not. Once, before anything else. */
  opened(): Promise<Failure | null> {
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  /**
   * Sends a message; every recipient of the transaction has an outcome afterwards.
   *
   * @param last no other message follows
   */
  send(transaction: Transaction, last: boolean): Promise<Failure | null> {
    this.uses++;
    return new Promise((resolve) => {
      this.#transfer = new Transfer({
        conversation: this.#conversation,
        transaction,
        features: this.#hello.features,
        options: this.#service.options,
        last,
        done: (failure, clean) => {
          this.#state = 'idle';
          this.#dirty = !clean;
          resolve(failure);
        },
      });
      if (this.#failure !== null) {
        this.#transfer.failed(this.#failure);
      } else if (this.#dirty) {
        this.#reset();
      } else {
        this.#state = 'mail';
        this.#transfer.start();
      }
    });
  }

  /** It waits for a message of another delivery: the server is asked first whether it is still there. */
  rest(): void {
    this.#dirty = true;
  }

  /** Leaves it to other processes, or ends it where that cannot be. */
  async leave(key: ReuseKey): Promise<void> {
    const { shared } = this.#service;
    const id = this.#conversation.proxied?.id ?? '';
    const { begun, uses, props } = this;
    const { features } = this.#hello;
    if ((await shared?.leave(props, key, id, { begun, uses, features })) === true) {
      await this.#conversation.leave();
    } else {
      this.quit();
    }
  }

  /** Ends the connection politely. */
  quit(): void {
    this.#hello.keepSession();
    this.#conversation.quit(this.#transfer?.quitSaid === true ? '' : 'QUIT\r\n');
  }

  #takeUp({ answer, features, uses }: TakenConnection): void {
    this.uses = uses;
    this.relay = this.#conversation.namaddrport;
    this.#hello.takeUp(features, answer.tls);
    this.#state = 'idle';
    this.rest();
    this.#conversation.takeUp(answer);
  }

  #reset(): void {
    this.#state = 'reset';
    const { rsetTimeout } = this.#service.options;
    this.#conversation.ask('RSET\r\n', 'sending final RSET', rsetTimeout);
  }

  /** A server that refuses RSET is in a state that nobody knows: a new connection is better. */
  #wasReset(reply: ReplyReader): void {
    if (reply.code >= 200 && reply.code < 300) {
      this.#state = 'mail';
      this.#transfer?.start();
      return;
    }
    const text = `host ${this.namaddr} said: ${printable(reply.text)} (in reply to RSET command)`;
    this.quit();
    this.failed(refused(reply, text));
  }

  #settleOpening(failure: Failure | null): void {
    this.#state = 'idle';
    this.#failure ??= failure;
    const opened = this.#opened;
    this.#opened = null;
    opened?.(failure);
  }

  // ---- events of the conversation

  connected(): void {
    this.relay = this.#conversation.namaddrport;
    const { report, host, address } = this.props;
    if (report !== null) {
      reportConnection(report, {
        sendingMtaIp: this.#conversation.wire.connection.localAddress,
        receivingMxHostname: host,
        receivingIp: address,
      });
    }
    this.#hello.start();
  }

  traced(trace: string | null): void {
    logTrace(this.#service.logger, this.#conversation.namaddrport, trace);
  }

  secured(): void {
    this.#hello.secured();
  }

  notSecured(error: TlsError): void {
    this.#hello.notSecured(error);
  }

  brokenBy(error: TlsError): void {
    for (const line of libraryProblems(error)) {
      this.#service.logger.warn(line.text);
    }
  }

  puzzled(line: string): void {
    if (!this.#puzzled) {
      this.#puzzled = true;
      this.#service.logger.warn(
        `non-SMTP response from ${this.#conversation.namaddrport}: ${line}`,
      );
    }
  }

  replied(reply: ReplyReader): void {
    switch (this.#state) {
      case 'opening':
        this.#hello.replied(reply);
        break;
      case 'reset':
        this.#wasReset(reply);
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
    this.#failure = failure;
    if (this.#state === 'opening') {
      this.#settleOpening(failure);
    } else if (this.#state === 'reset') {
      // It concerns the message before; a new connection knows nothing of it.
      this.#transfer?.failed({ ...failure, kind: 'interrupted', status: 'deferred' });
    } else if (this.#state !== 'idle') {
      this.#transfer?.failed(failure);
    }
  }
}

function connect(service: DeliveryService, props: SessionProps): NativeConnection {
  const { options } = service;
  const source = isIPv6(props.address) ? options.bindAddress6 : options.bindAddress;
  return addon.connect({
    host: props.address,
    port: props.port,
    path: null,
    localAddress: source === '' ? null : source,
    timeout: options.connectTimeout,
  });
}
