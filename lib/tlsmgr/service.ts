/**
 * The tlsmgr service: keeps session caches and makes ticket keys for many processes of one host, over a UNIX socket.
 *
 * Who may ask is decided by the kernel: the socket's mode (0600), and the credentials of the process at the other end. A client that breaks
 * the protocol loses its connection, and nobody else notices.
 */
import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { addon } from '../addon.js';
import { TlsError } from '../errors.js';
import type { Logger } from '../log/logger.js';
import { cacheTimeout } from '../session-cache/store.js';
import { type CachesProps, openCaches, refuseSharedDatabase } from './caches.js';
import { KeyKeeper } from './key-keeper.js';
import { announcement, encode, FrameReader, type Message, unasked } from './protocol.js';
import { Requests } from './requests.js';
import type { WrappingKey } from './tlsmgr.js';

export interface TlsmgrServiceProps extends CachesProps {
  /** Of the UNIX socket. */
  readonly path: string;
  /** Of the socket; default 0o600. */
  readonly mode?: number;
  /** Users that may ask, besides root and the one that the service runs as. */
  readonly allowUids?: readonly number[];
  /** Seals the ticket keys; null: none are made. */
  readonly wrappingKey: WrappingKey | null;
  readonly logger: Logger;
  /** Milliseconds that a ticket key is used; default: half of `smtpd.timeout`. For tests. */
  readonly period?: number;
}

/** Ticket keys that a client may know; there are four at most in use. */
const mostKeys = 16;

/** Requests of one client that are worked on; more have to wait. */
const mostPending = 256;

export class TlsmgrService {
  readonly #props: TlsmgrServiceProps;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #requests: Requests;
  readonly #keys: KeyKeeper | null;

  private constructor(props: TlsmgrServiceProps, keys: KeyKeeper | null) {
    this.#props = props;
    this.#keys = keys;
    this.#requests = new Requests({
      caches: openCaches(props),
      keys,
      warn: (text) => props.logger.warn(text),
    });
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /**
   * Listens. A socket that nobody listens on any more is replaced.
   *
   * @throws TlsError (rejects) `LISTEN_FAILED`, `WRAPPING_KEY`, `INVALID_PARAMETER`
   */
  static async start(props: TlsmgrServiceProps): Promise<TlsmgrService> {
    refuseSharedDatabase(props);
    await removeStale(props.path);
    const period = props.period ?? cacheTimeout(props.smtpd.timeout) * 500;
    const keys =
      props.wrappingKey === null || period === 0
        ? null
        : await KeyKeeper.open({ wrappingKey: props.wrappingKey, period, logger: props.logger });
    const service = new TlsmgrService(props, keys);
    try {
      await service.#listen();
    } catch (error) {
      await service.close();
      throw error;
    }
    return service;
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#clients.size;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const client of this.#clients) {
      client.destroy();
    }
    this.#keys?.close();
    await this.#requests.close();
  }

  async #listen(): Promise<void> {
    const { path, mode = 0o600 } = this.#props;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new TlsError({
            code: 'LISTEN_FAILED',
            message: `cannot listen on ${path}: ${error.code ?? error.message}`,
            cause: error,
          }),
        );
      });
      const mask = process.umask(0o177); // there is no moment at which others could come in
      try {
        this.#server.listen(path, resolve);
      } finally {
        process.umask(mask);
      }
    });
    chmodSync(path, mode);
  }

  #accept(socket: Socket): void {
    const uid = addon.peerUid(descriptor(socket));
    const { allowUids = [], logger } = this.#props;
    if (uid === null || ![0, process.geteuid?.(), ...allowUids].includes(uid)) {
      logger.warn(`tlsmgr: user ${uid ?? 'unknown'} may not ask`);
      socket.destroy();
      return;
    }
    this.#clients.add(socket);
    socket.on('close', () => this.#clients.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.write(announcement());
    const client = new Client(socket, this.#requests, this.#keys);
    socket.on('data', (data: Buffer) => {
      if (!client.take(data)) {
        logger.warn('tlsmgr: a client broke the protocol; disconnected');
        socket.destroy();
      }
    });
  }
}

/** One connection: its requests are worked on at the same time, some at most. */
class Client {
  readonly #socket: Socket;
  readonly #requests: Requests;
  readonly #keys: KeyKeeper | null;
  readonly #frames = new FrameReader();
  #pending = 0;

  constructor(socket: Socket, requests: Requests, keys: KeyKeeper | null) {
    this.#socket = socket;
    this.#requests = requests;
    this.#keys = keys;
  }

  /** False: what came is no request. */
  take(data: Buffer): boolean {
    const messages = this.#frames.push(data);
    return messages?.every((message) => this.#start(message)) ?? false;
  }

  #start(message: Message): boolean {
    if (message.number === 0) {
      return false;
    }
    if (this.#requests.isSubscription(message)) {
      this.#subscribe(message.fields);
    }
    if (++this.#pending >= mostPending) {
      this.#socket.pause();
    }
    void this.#requests.answer(message).then(({ code, fields }) => {
      this.#socket.write(encode(message.number, code, fields));
      if (--this.#pending < mostPending) {
        this.#socket.resume();
      }
    });
    return true;
  }

  #subscribe(known: readonly Buffer[]): void {
    const end = this.#keys?.subscribe(known.slice(0, mostKeys), (keys) => {
      this.#socket.write(encode(0, unasked.ticketKeys, keys));
    });
    if (end !== undefined) {
      this.#socket.once('close', end);
    }
  }
}

/** Removes a socket whose service has gone. @throws TlsError (rejects) `LISTEN_FAILED`: there is one */
async function removeStale(path: string): Promise<void> {
  if (!existsSync(path)) {
    return;
  }
  const isSocket = lstatSync(path).isSocket();
  const alive =
    !isSocket ||
    (await new Promise<boolean>((resolve) => {
      const probe = connect(path);
      probe.once('connect', () => {
        probe.destroy();
        resolve(true);
      });
      probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
    }));
  if (alive) {
    throw new TlsError({
      code: 'LISTEN_FAILED',
      message: `cannot listen on ${path}: something is there already`,
    });
  }
  unlinkSync(path);
}

/** The one place where node keeps it; there is no documented way. */
function descriptor(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}
