/** One connection to a server: greeting, EHLO, STARTTLS, EHLO, QUIT, with the delivery engine's own dialogue. */
import { isIPv6 } from 'node:net';
import { addon } from '../addon.js';
import '../dispatch.js';
import type { ResolvedSmtp } from '../config/options.js';
import { Conversation, type ConversationEvents, type Peer } from '../delivery/conversation.js';
import type { Failure } from '../delivery/failure.js';
import { Hello } from '../delivery/hello.js';
import type { TlsError } from '../errors.js';
import { libraryProblems } from '../log/handshake.js';
import type { Logger } from '../log/logger.js';
import { parseLoglevel } from '../log/loglevel.js';
import { logTrace } from '../log/trace.js';
import type {
  NativeClaims,
  NativeConnection,
  NativeContext,
  PeerCertificate,
  StartTlsProps,
} from '../native.js';
import type { HostPolicy } from '../policy/policy.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import type { TlsSnapshot } from '../snapshot.js';

export interface VisitProps {
  readonly peer: Peer;
  readonly policy: HostPolicy;
  readonly options: ResolvedSmtp;
  /** Null without TLS. */
  readonly context: NativeContext | null;
  readonly tls: StartTlsProps | null;
  /** Gets what a delivery would log. */
  readonly logger: Required<Logger>;
}

export interface VisitResult {
  /** Null: mail could be sent. */
  readonly failure: Failure | null;
  readonly tls: TlsSnapshot | null;
  readonly chain: readonly PeerCertificate[];
  readonly claims: NativeClaims | null;
  /** For another visit. */
  readonly session: Buffer | null;
  /** The server was reached. */
  readonly connected: boolean;
  /** It offers STARTTLS; after a handshake: no longer. */
  readonly starttls: boolean;
  /** It broke the handshake off without a word. */
  readonly choked: boolean;
}

/** Never rejects for what a server does. @throws TlsError `CONNECT_FAILED` when connecting is not even possible */
export function visit(props: VisitProps): Promise<VisitResult> {
  return new Promise((resolve) => new Visit(props, resolve));
}

class Visit implements ConversationEvents {
  readonly #props: VisitProps;
  readonly #resolve: (result: VisitResult) => void;
  readonly #connection: NativeConnection;
  readonly #conversation: Conversation;
  readonly #hello: Hello;
  #chain: readonly PeerCertificate[] = [];
  #claims: NativeClaims | null = null;
  #connected = false;
  #done = false;

  constructor(props: VisitProps, resolve: (result: VisitResult) => void) {
    const { options, peer } = props;
    this.#props = props;
    this.#resolve = resolve;
    this.#connection = connect(options, peer);
    this.#conversation = new Conversation(this.#connection, peer, options, this);
    this.#hello = new Hello({
      service: {
        options,
        logger: props.logger,
        context: props.context,
        contextFor: () => props.context,
        tlsProps: () => props.tls,
        isPrepared: () => false,
        securityOptions: () => [],
        sessions: null,
      },
      conversation: this.#conversation,
      policy: props.policy,
      plaintext: false,
      hello: 'usual', // the context is the one for the kind
      host: peer.host,
      address: peer.address,
      nexthop: peer.host, // for sessions that are kept, of which there are none here
      credentials: null,
      requiretls: null,
      logFlags: parseLoglevel(options.tls.loglevel).flags,
      tlsrpt: null,
      shared: null,
      done: (failure) => this.#settle(failure),
    });
  }

  #settle(failure: Failure | null): void {
    if (this.#done) {
      return;
    }
    this.#done = true;
    const session = this.#connection.open ? this.#connection.takeSession() : null;
    this.#conversation.quit('QUIT\r\n');
    this.#resolve({
      failure,
      tls: this.#hello.tls,
      chain: this.#chain,
      claims: this.#claims,
      session,
      connected: this.#connected,
      starttls: this.#hello.features.starttls,
      choked: this.#hello.choked,
    });
  }

  connected(): void {
    this.#connected = true;
    this.#hello.start();
  }

  secured(): void {
    this.#chain = this.#connection.peerChain();
    this.#claims = this.#connection.claims();
    this.#hello.secured();
  }

  notSecured(error: TlsError): void {
    this.#hello.notSecured(error);
  }

  replied(reply: ReplyReader): void {
    this.#hello.replied(reply);
  }

  unasked(): boolean {
    return false;
  }

  failed(failure: Failure): void {
    this.#settle(failure);
  }

  brokenBy(error: TlsError): void {
    for (const line of libraryProblems(error)) {
      this.#props.logger.warn(line.text);
    }
  }

  puzzled(line: string): void {
    this.#props.logger.warn(`non-SMTP response from ${this.#conversation.namaddrport}: ${line}`);
  }

  traced(trace: string | null): void {
    logTrace(this.#props.logger, this.#conversation.namaddrport, trace);
  }

  drained(): void {
    // nothing large is written
  }
}

function connect(options: ResolvedSmtp, peer: Peer): NativeConnection {
  const source = isIPv6(peer.address) ? options.bindAddress6 : options.bindAddress;
  return addon.connect({
    host: peer.address,
    port: peer.port,
    path: null,
    localAddress: source === '' ? null : source,
    timeout: options.connectTimeout,
  });
}
