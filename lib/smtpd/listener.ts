/**
 * One address that is listened on; makes a session of each connection.
 */
import { isIP } from 'node:net';
import { addon } from '../addon.js';
import type { ListenerOwner } from '../dispatch.js';
import { TlsError } from '../errors.js';
import { logHandshakeFailure } from '../log/handshake.js';
import { logNotices } from '../log/notices.js';
import { logTrace } from '../log/trace.js';
import type {
  Admission,
  ListenProps,
  NativeChains,
  NativeConnection,
  NativeListener,
  NativeNotice,
} from '../native.js';
import { plainAddress } from './client-view.js';
import type { Service } from './service.js';
import { Session } from './session.js';
import { newSessionRateExceeded } from './session-log.js';
import * as texts from './texts.js';

/** Where to listen: an address and port, a UNIX socket, or a descriptor that is listening already. */
export interface SmtpdListenOptions {
  /** IP address; default `::`, which takes IPv4 too. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port?: number;
  /** UNIX socket. */
  readonly path?: string;
  /** Inherited from a service manager. */
  readonly fd?: number;
  /** TLS from the first byte; default: `tls.wrappermode`. */
  readonly wrappermode?: boolean;
  /**
   * Name of the service, as in master.cf: TLS sessions resume only where it is the same. Default: `smtpd`, with
   * wrappermode `submissions`.
   */
  readonly service?: string;
  /** False: clients neither get nor use TLS session tickets here. Default true. */
  readonly tickets?: boolean;
  /** Several processes share the port (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** Clients that may wait to be accepted; default 511. */
  readonly backlog?: number;
  /**
   * Connections at a time; default 10,000; 0: any number. More are turned away as they come, with a
   * 421 or, with wrappermode, without a word. From nine tenths of it on, until there are less than
   * seven tenths, the listener is under stress: parameters whose default refers to `stress` are stricter
   * (`smtpd_timeout`, for example, is 10 s).
   */
  readonly connectionLimit?: number;
}

/** An address that is listened on. */
export interface SmtpdListener {
  /** IP address, or the path of a UNIX socket. */
  readonly address: string;
  readonly port: number;
  /** Stops accepting; the sessions go on. Idempotent. */
  close(): void;
}

const defaultLimit = 10_000;

export interface ListenerEvents {
  opened(session: Session): void;
  ended(session: Session): void;
  closed(listener: Listener): void;
}

export class Listener implements ListenerOwner, SmtpdListener {
  readonly #service: Service;
  readonly #events: ListenerEvents;
  readonly #native: NativeListener;
  /** Connections from which on, and below which no longer, the listener is under stress. */
  readonly #high: number;
  readonly #low: number;

  /** @throws TlsError `LISTEN_FAILED`, `INVALID_ARGUMENT` */
  constructor(service: Service, where: SmtpdListenOptions, events: ListenerEvents) {
    this.#service = service;
    this.#events = events;
    const limit = where.connectionLimit ?? defaultLimit;
    this.#high = limit === 0 ? Number.POSITIVE_INFINITY : Math.ceil(limit * 0.9);
    this.#low = Math.ceil(limit * 0.7);
    this.#native = addon.listen(listenProps(service, where));
    this.#native.owner = this;
  }

  get address(): string {
    return this.#native.address;
  }

  get port(): number {
    return this.#native.port;
  }

  /** Nobody gets TLS any more until there is another context. */
  withdrawContext(): void {
    this.#service.context = null;
  }

  /** TLS is in use here. */
  get usesTls(): boolean {
    return this.#service.mode.use;
  }

  /** Makes a context of new chains; the result gives it to the connections from then on. @throws TlsError */
  renew(chains: NativeChains | null): () => void {
    const context = this.#service.makeContext(chains);
    return () => {
      this.#service.context = context;
      if (this.#service.mode.wrappermode) {
        this.#native.setContext(context, this.#service.tlsProps);
      }
    };
  }

  close(): void {
    this.#native.close();
    this.#events.closed(this);
  }

  onAccept(connection: NativeConnection): void {
    this.#watchLoad();
    const session = new Session(this.#service, connection, (ended) => {
      this.#watchLoad();
      this.#events.ended(ended);
    });
    this.#events.opened(session);
    session.start();
  }

  /** Before a handshake costs anything. */
  onAdmit(address: string): Admission {
    const { logger, name, newSessions, connections, context, tickets } = this.#service;
    const client = plainAddress(address);
    const namaddr = `unknown[${client}]`;
    if (context === null) {
      logger.info(`connect from ${namaddr}`);
      logger.warn(texts.wrappermodeDropped(namaddr));
      logger.info(`disconnect from ${namaddr} commands=0/0`);
      return false;
    }
    if (newSessions.exceeded(client)) {
      logger.warn(`Refusing TLS service request from ${namaddr} for service ${name}`);
      return false;
    }
    const count = connections.add(client);
    if (count !== null) {
      connections.remove(client);
      logger.warn(
        `Connection concurrency limit exceeded: ${count} from ${namaddr} for service ${name}`,
      );
    }
    return count === null && (tickets.exceptions.has(client) ? 'without-tickets' : true);
  }

  onTurnedAway(count: number): void {
    this.#watchLoad();
    const whom = count === 1 ? 'a client was' : `${count} clients were`;
    this.#service.logger.warn(`${this.#place}: all connections in use: ${whom} turned away`);
  }

  onHandshakeFailure(
    error: TlsError,
    address: string,
    _port: number,
    notices: readonly NativeNotice[] | null,
    trace: string | null,
  ): void {
    const { logger, name, newSessions, connections } = this.#service;
    const client = plainAddress(address);
    const namaddr = `unknown[${client}]`;
    connections.remove(client);
    logger.info(`connect from ${namaddr}`);
    logTrace(logger, namaddr, trace);
    logNotices(logger, notices, namaddr);
    logHandshakeFailure(logger, { direction: 'from', namaddr, error });
    const count = newSessions.add(client);
    if (count !== null) {
      logger.warn(newSessionRateExceeded(count, namaddr, name));
    }
    logger.info(`NOQUEUE: lost connection after CONNECT from ${namaddr}`);
    logger.info(`disconnect from ${namaddr} commands=0/0`);
    this.#watchLoad();
  }

  onAcceptError(error: TlsError): void {
    this.#service.logger.warn(`${this.#place}: ${error.message}`);
  }

  get #place(): string {
    return `${this.address}:${this.port}`;
  }

  #watchLoad(): void {
    const service = this.#service;
    const { taken } = this.#native;
    if (!service.stress && taken >= this.#high) {
      this.#setStress(true);
      service.logger.warn(`${this.#place}: under stress: ${taken} connections`);
    } else if (service.stress && taken < this.#low) {
      this.#setStress(false);
      service.logger.info(`${this.#place}: no more stress: ${taken} connections`);
    }
  }

  #setStress(stress: boolean): void {
    const service = this.#service;
    service.stress = stress;
    if (service.mode.wrappermode && service.context !== null) {
      this.#native.setContext(service.context, service.tlsProps);
    }
  }
}

function listenProps(service: Service, where: SmtpdListenOptions): ListenProps {
  const host = where.path === undefined && where.fd === undefined ? (where.host ?? '::') : null;
  if (host !== null && isIP(host) === 0) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `"${host}" is not an IP address`,
      suggestion: 'listen on an address such as 127.0.0.1 or ::',
    });
  }
  return {
    host,
    port: where.port ?? (service.mode.wrappermode ? 465 : 25),
    path: where.path ?? null,
    fd: where.fd ?? -1,
    backlog: where.backlog ?? 511,
    reusePort: where.reusePort ?? false,
    ipv6Only: false,
    context: service.mode.wrappermode ? service.context : null,
    tls: service.mode.wrappermode ? service.tlsProps : null,
    limit: where.connectionLimit ?? defaultLimit,
    busyReply: service.mode.wrappermode ? null : texts.tooManyServed,
    admit: service.mode.wrappermode,
  };
}
