/**
 * Connections that pass from process to process: a tlsproxy does their TLS and keeps them in between (Postfix's connection
 * cache with `smtp_tls_connection_reuse`).
 *
 * A proxy that is gone costs a new connection and a handshake of our own, and nothing else. The log says so once, and once
 * when it is back.
 */
import { createHash } from 'node:crypto';
import type { ResolvedSmtp } from '../config/options.js';
import type { Connection } from '../connection.js';
import { TlsError } from '../errors.js';
import type { Logger } from '../log/logger.js';
import type { NativeConnection, OwnCertificate } from '../native.js';
import { contextSettings } from '../tls/context-settings.js';
import { isRefused, type SessionAnswer } from '../tlsproxy/answer.js';
import { type ClientRequest, encodeLine, longestLine } from '../tlsproxy/message.js';
import { answerOf, keepProxied, openProxy, takeProxied } from '../tlsproxy/requester.js';
import type { Conversation } from './conversation.js';
import { effectiveLevel, isAuthenticated } from './peer.js';
import { clientRequest } from './proxy-request.js';
import type { SessionProps } from './session.js';
import { readSharedState, type SharedState, writeSharedState } from './shared-state.js';

export interface SharedConnectionsProps {
  /** UNIX socket of the tlsproxy. */
  readonly path: string;
  readonly options: ResolvedSmtp;
  readonly logger: Logger;
  /** Those that we show. */
  readonly certificates: () => readonly OwnCertificate[];
}

/** A connection of another process, to go on with. */
export interface TakenConnection extends SharedState {
  readonly native: NativeConnection;
  readonly answer: Pick<SessionAnswer, 'id' | 'tls' | 'claims' | 'notices'>;
}

/** What a connection depends on, apart from what all connections of a process have in common. */
export type ReuseKey = (props: SessionProps) => string;

/** Milliseconds before the first new attempt to reach a proxy that is gone, and at most. */
const firstPause = 100;
const longestPause = 5000;
/** One that does not do what we ask for is left alone longer. */
const refusalPause = 60_000;

export class SharedConnections {
  readonly #props: SharedConnectionsProps;
  #failures = 0;
  #notBefore = 0;
  readonly #leaving = new Set<Promise<boolean>>();

  constructor(props: SharedConnectionsProps) {
    this.#props = props;
  }

  /** TLS of this connection is the proxy's, as far as anybody knows now. */
  serves({ policy, plaintext, direct, hello, requiretls }: SessionProps): boolean {
    const usual = !plaintext && direct !== true && hello === 'usual' && requiretls === null;
    return usual && policy.connectionReuse && performance.now() >= this.#notBefore;
  }

  /** A connection to the same server under the same policy that another process has left; null: none. */
  async take(props: SessionProps, key: ReuseKey): Promise<TakenConnection | null> {
    if (!this.serves(props)) {
      return null;
    }
    try {
      const session = await takeProxied(this.#props.path, this.#keyOf(props, key));
      this.#worked();
      if (session === null) {
        return null;
      }
      const { stream, id, tls } = session;
      const state = readSharedState(session.state);
      const level = effectiveLevel(props.policy.level, tls);
      if (state === null || !isAuthenticated(level, tls) || !this.#young(state)) {
        stream.destroy();
        return null;
      }
      const { native } = stream.release(); // the server has said nothing, or it would not have been kept
      return { ...state, native, answer: { id, tls, claims: null, notices: [] } };
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  /**
   * Passes the server on to the proxy, in the middle of STARTTLS, and goes on with the inside of the session.
   *
   * @param here does TLS here: there is no proxy
   */
  async startTls(conversation: Conversation, props: SessionProps, here: () => void): Promise<void> {
    const request = clientRequest(props, this.#props.options);
    const line = encodeLine(request);
    const early = conversation.wire.input.buffered > 0;
    conversation.awaitTls();
    const stream = early || line.length > longestLine ? null : await this.#open();
    if (!conversation.going) {
      stream?.destroy();
    } else if (stream === null || !this.#pass(conversation, stream, line)) {
      here();
    } else {
      await this.#join(conversation, stream, request);
    }
  }

  /**
   * Leaves a connection to other processes, before it is ended here.
   *
   * @returns false: it cannot be left
   */
  async leave(
    props: SessionProps,
    key: ReuseKey,
    id: string,
    state: SharedState,
  ): Promise<boolean> {
    const { connectionCacheTimeLimit, connectionReuseCountLimit: limit } = this.#props.options;
    const idle = Math.min(connectionCacheTimeLimit, this.#ageLeft(state)) / 1000;
    if (idle <= 0 || (limit > 0 && state.uses > limit)) {
      return false;
    }
    const left = this.#leave({
      ...{ id, idle, state: writeSharedState(state) },
      key: this.#keyOf(props, key),
    });
    this.#leaving.add(left);
    try {
      return await left;
    } finally {
      this.#leaving.delete(left);
    }
  }

  /** Whether a connection that broke was the proxy's fault: it has gone. */
  async lost(): Promise<boolean> {
    const stream = performance.now() < this.#notBefore ? null : await this.#open();
    stream?.destroy();
    return stream === null;
  }

  /** Resolves when all that is being left has been. */
  async close(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  async #leave(request: Parameters<typeof keepProxied>[1]): Promise<boolean> {
    try {
      return await keepProxied(this.#props.path, request);
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  async #open(): Promise<Connection | null> {
    try {
      return await openProxy(this.#props.path);
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  #pass(conversation: Conversation, stream: Connection, line: Buffer): boolean {
    try {
      stream.sendDescriptor(conversation.wire.connection.fd, line);
      conversation.passOn();
      return true;
    } catch (error) {
      stream.destroy();
      this.#failed(error);
      return false;
    }
  }

  async #join(conversation: Conversation, stream: Connection, request: ClientRequest) {
    try {
      const answer = await answerOf(stream, request);
      if (!isRefused(answer)) {
        this.#worked();
        const { native, read } = stream.release();
        conversation.goOn(native, read, answer);
        return;
      }
      stream.destroy();
      if (answer.begun) {
        this.#worked();
        conversation.onHandshake(answer.error);
        return;
      }
      this.#failed(answer.error, refusalPause);
    } catch (error) {
      stream.destroy();
      this.#failed(error);
    }
    conversation.onEnd(); // as if the server had gone: the next attempt is without the proxy
  }

  #young(state: SharedState): boolean {
    return this.#ageLeft(state) > 0;
  }

  #ageLeft({ begun }: SharedState): number {
    return begun + this.#props.options.connectionReuseTimeLimit - Date.now();
  }

  /** All that a connection depends on. A digest: there are secrets in it. */
  #keyOf(props: SessionProps, key: ReuseKey): string {
    const { options, certificates } = this.#props;
    const { heloName, bindAddress, bindAddress6, discardEhloKeywords, tls } = options;
    const { saslSecurityOptions, saslTlsSecurityOptions, saslTlsVerifiedSecurityOptions } = options;
    const own = certificates().map(({ subject, notBefore, notAfter }) => [
      ...[subject, notBefore, notAfter],
    ]);
    const all = JSON.stringify([
      ...['smtp', key(props), heloName, bindAddress, bindAddress6, discardEhloKeywords],
      ...[saslSecurityOptions, saslTlsSecurityOptions, saslTlsVerifiedSecurityOptions],
      ...[contextSettings(tls), tls.wrappermode, own],
    ]);
    return createHash('sha256').update(all).digest('hex');
  }

  #worked(): void {
    if (this.#failures > 0) {
      this.#failures = 0;
      this.#props.logger.info(`tlsproxy ${this.#props.path}: works again`);
    }
  }

  #failed(error: unknown, least = 0): void {
    if (!(error instanceof TlsError)) {
      throw error;
    }
    const pause = Math.min(longestPause, firstPause * 2 ** Math.min(this.#failures, 20));
    this.#notBefore = performance.now() + Math.max(least, pause);
    if (this.#failures++ === 0) {
      const { path, logger } = this.#props;
      logger.warn(`tlsproxy ${path}: ${error.message}; connections are not shared meanwhile`);
    }
  }
}
