/**
 * Tlsproxy: Postfix's tlsproxy(8) as a class. TLS for other processes, which pass the socket of a peer and speak
 * plaintext with the inside of the session.
 *
 * It knows nothing of SMTP. `message.ts` has the protocol.
 */
import { closeSync } from 'node:fs';
import { addon } from '../addon.js';
import { Connection } from '../connection.js';
import type { ListenerOwner } from '../dispatch.js';
import { TlsError } from '../errors.js';
import { engineLogger, type Logger } from '../log/logger.js';
import type { NativeConnection, NativeListener } from '../native.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from '../config/options.js';
import { ensureLibrary } from '../tls/library.js';
import { announcement, readLine, refusal, violation, writeLine } from './message.js';
import { readRequest } from './request.js';
import { Sessions } from './sessions.js';

export interface TlsproxyOptions {
  /** The server's role; without it there is none. */
  readonly server?: SmtpdTlsOptions;
  /** The client's role; without it there is none. */
  readonly client?: SmtpTlsOptions;
  /** Default: standard error. */
  readonly logger?: Logger;
  /** Sessions with servers that may wait for another process; default 100. */
  readonly keepLimit?: number;
}

/** Milliseconds for a request to come. */
const requestTimeout = 100_000;

export class Tlsproxy {
  readonly #logger: Required<Logger>;
  readonly #sessions: Sessions;
  readonly #requesters = new Set<Connection>();
  #listener: NativeListener | null = null;

  /** @throws TlsError as `serverTls` and `clientTls`: what cannot be set up is said at once */
  constructor({ server, client, logger, keepLimit = 100 }: TlsproxyOptions) {
    this.#logger = engineLogger(logger, 'tlsproxy');
    ensureLibrary({ ...client, ...server });
    this.#sessions = new Sessions({
      server: server ?? null,
      client: client ?? null,
      logger: this.#logger,
      keepLimit,
    });
  }

  /** Processes that are connected. */
  get requesters(): number {
    return this.#requesters.size;
  }

  /** Sessions that wait for somebody to take them. */
  get kept(): number {
    return this.#sessions.kept;
  }

  /**
   * Begins to listen.
   *
   * @param path of the UNIX socket; who may open it may use the proxy's private keys
   * @param mode of the socket
   * @throws TlsError `LISTEN_FAILED`
   */
  listen(path: string, mode = 0o600): void {
    const before = process.umask(0o777 & ~mode); // from its first moment on
    try {
      this.#listener = addon.listen({
        ...{ host: null, port: 0, path, fd: -1, backlog: 511, reusePort: false, ipv6Only: false },
        ...{ context: null, tls: null, limit: 0, busyReply: null, admit: false },
      });
    } finally {
      process.umask(before);
    }
    this.#listener.owner = {
      onAccept: (connection) => this.#accept(connection),
      onAdmit: () => true,
      onTurnedAway: () => undefined,
      onHandshakeFailure: () => undefined,
      onAcceptError: (error) => this.#logger.warn(error.message),
    } satisfies ListenerOwner;
  }

  /**
   * Stops listening, ends the sessions that wait, and resolves when the others have ended.
   *
   * @param force true ends them at once
   */
  async close(force = false): Promise<void> {
    this.#listener?.close();
    this.#listener = null;
    this.#sessions.clear();
    const all = [...this.#requesters].map(closed);
    for (const requester of force ? [...this.#requesters] : []) {
      requester.destroy();
    }
    await Promise.all(all);
  }

  #accept(native: NativeConnection): void {
    const requester = new Connection(native, 'server');
    requester.receiveDescriptors(true);
    this.#requesters.add(requester);
    requester.on('close', () => this.#requesters.delete(requester));
    requester.on('error', () => undefined);
    void this.#serve(requester);
  }

  async #serve(requester: Connection): Promise<void> {
    requester.setDeadline(requestTimeout);
    requester.once('timeout', () => requester.destroy(violation('no request in time')));
    let fd = -1;
    try {
      writeLine(requester, announcement);
      const request = readRequest(await readLine(requester));
      fd = requester.takeDescriptor();
      requester.receiveDescriptors(false);
      if (requester.readableLength > 0) {
        throw violation('bytes behind the request');
      }
      requester.setDeadline(0);
      await this.#sessions.serve(request, requester, fd);
    } catch (error) {
      this.#refuse(requester, error);
    } finally {
      if (fd >= 0) {
        closeSync(fd); // the session has a duplicate
      }
    }
  }

  #refuse(requester: Connection, error: unknown): void {
    if (!(error instanceof TlsError)) {
      requester.destroy();
      throw error;
    }
    if (error.code === 'TLSPROXY_PROTOCOL') {
      this.#logger.warn(error.message);
    }
    if (!requester.destroyed) {
      writeLine(requester, refusal(error, false));
      requester.end();
      requester.resume();
    }
  }
}

async function closed(connection: Connection): Promise<void> {
  return new Promise((resolve) => {
    connection.once('close', resolve);
  });
}
