/**
 * One address that is listened on; makes a session of each connection.
 */
import { isIP } from 'node:net';
import { addon } from '../addon.js';
import type { ListenerOwner } from '../dispatch.js';
import { TlsError } from '../errors.js';
import { logHandshakeFailure } from '../log/handshake.js';
import type { ListenProps, NativeConnection, NativeListener } from '../native.js';
import { plainAddress } from './client-view.js';
import type { Service } from './service.js';
import { Session } from './session.js';

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
  /** Several processes share the port (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** Clients that may wait to be accepted; default 511. */
  readonly backlog?: number;
}

/** An address that is listened on. */
export interface SmtpdListener {
  /** IP address, or the path of a UNIX socket. */
  readonly address: string;
  readonly port: number;
  /** Stops accepting; the sessions go on. Idempotent. */
  close(): void;
}

export interface ListenerEvents {
  opened(session: Session): void;
  ended(session: Session): void;
  closed(listener: Listener): void;
}

export class Listener implements ListenerOwner, SmtpdListener {
  readonly #service: Service;
  readonly #events: ListenerEvents;
  readonly #native: NativeListener;

  /** @throws TlsError `LISTEN_FAILED`, `INVALID_ARGUMENT` */
  constructor(service: Service, where: SmtpdListenOptions, events: ListenerEvents) {
    this.#service = service;
    this.#events = events;
    this.#native = addon.listen(listenProps(service, where));
    this.#native.owner = this;
  }

  get address(): string {
    return this.#native.address;
  }

  get port(): number {
    return this.#native.port;
  }

  close(): void {
    this.#native.close();
    this.#events.closed(this);
  }

  onAccept(connection: NativeConnection): void {
    const session = new Session(this.#service, connection, this.#events.ended);
    this.#events.opened(session);
    session.start();
  }

  onHandshakeFailure(error: TlsError, address: string): void {
    const { logger } = this.#service;
    const namaddr = `unknown[${plainAddress(address)}]`;
    logger.info(`connect from ${namaddr}`);
    logHandshakeFailure(logger, { direction: 'from', namaddr, error });
    logger.info(`NOQUEUE: lost connection after CONNECT from ${namaddr}`);
    logger.info(`disconnect from ${namaddr} commands=0/0`);
  }

  onAcceptError(error: TlsError): void {
    this.#service.logger.warn(`${this.address}:${this.port}: ${error.message}`);
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
  };
}
