/**
 * A client of the tlsmgr service: connects when there is something to ask, again after it was lost, and never makes
 * anybody wait for long. One warning when the service is lost, and one line when it is back.
 */
import { connect, type Socket } from 'node:net';
import type { Logger } from '../log/logger.js';
import {
  announcementFault,
  encode,
  FrameReader,
  type Message,
  type RequestName,
  requests,
  status,
  unasked,
} from './protocol.js';

export interface TlsmgrClientProps {
  /** Of the UNIX socket. */
  readonly path: string;
  readonly logger: Logger;
  /** Milliseconds for a request; default 1000. */
  readonly patience?: number;
  /** Milliseconds before the first new attempt to connect, and at most; default 100 and 5000. */
  readonly backoff?: readonly [first: number, most: number];
  /** Gets the ticket keys, whenever they change. */
  readonly onTicketKeys?: (keys: readonly Buffer[]) => void;
  /** What is known of them, for a service that was started anew. */
  readonly knownTicketKeys?: () => readonly Uint8Array[];
}

interface Waiting {
  readonly done: (reply: Message) => void;
  readonly failed: (error: Error) => void;
}

/** The service is there, and does not do it. */
export class Refused extends Error {}

/** Requests under way; more fail at once. */
const mostPending = 1000;

export class TlsmgrClient {
  readonly #props: TlsmgrClientProps;
  readonly #waiting = new Map<number, Waiting>();
  #socket: Socket | null = null;
  #opening: Promise<Socket> | null = null;
  #frames = new FrameReader();
  #number = 0;
  #failures = 0;
  #notBefore = 0;
  #retry: NodeJS.Timeout | null = null;
  #lost = false;
  #closed = false;

  constructor(props: TlsmgrClientProps) {
    this.#props = props;
  }

  /** Connects, and stays connected: for who wants to hear of changes. */
  start(): void {
    this.#connection().catch(() => undefined);
  }

  /**
   * Asks. Null: there is no such thing.
   *
   * @throws Error (rejects): no service, no answer in time, or the request was refused
   */
  async ask(name: RequestName, fields: readonly Uint8Array[]): Promise<readonly Buffer[] | null> {
    const reply = await this.#inTime(this.#request(requests[name], fields));
    if (reply.code === status.ok) {
      return reply.fields;
    }
    if (reply.code === status.fail) {
      return null;
    }
    throw new Refused(`tlsmgr refuses the request ${name}`);
  }

  close(): void {
    this.#closed = true;
    if (this.#retry !== null) {
      clearTimeout(this.#retry);
    }
    this.#socket?.destroy();
    this.#drop(new Error('tlsmgr: closed'));
  }

  async #request(code: number, fields: readonly Uint8Array[]): Promise<Message> {
    if (this.#waiting.size >= mostPending) {
      throw new Error('tlsmgr: too many requests at once');
    }
    const socket = await this.#connection();
    this.#number = (this.#number % 0xffffffff) + 1;
    const number = this.#number;
    const frame = encode(number, code, fields);
    return new Promise((done, failed) => {
      this.#waiting.set(number, { done, failed });
      socket.write(frame);
    });
  }

  async #inTime(reply: Promise<Message>): Promise<Message> {
    const { patience = 1000 } = this.#props;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new Error(`no answer in ${patience} ms`);
        this.#socket?.destroy(error); // a service that hangs is as good as none
        reject(error);
      }, patience);
    });
    try {
      return await Promise.race([reply, late]);
    } finally {
      clearTimeout(timer);
      reply.catch(() => undefined);
    }
  }

  #connection(): Promise<Socket> {
    if (this.#closed) {
      return Promise.reject(new Error('tlsmgr: closed'));
    }
    if (this.#opening === null) {
      if (performance.now() < this.#notBefore) {
        return Promise.reject(new Error('tlsmgr is not there'));
      }
      this.#opening = this.#open();
      this.#opening.catch(() => undefined);
    }
    return this.#opening;
  }

  #open(): Promise<Socket> {
    this.#frames = new FrameReader();
    const socket = connect(this.#props.path);
    this.#socket = socket;
    socket.unref();
    const { patience = 1000 } = this.#props;
    socket.setTimeout(patience, () => socket.destroy(new Error(`no answer in ${patience} ms`)));
    return new Promise((resolve, reject) => {
      let reason = new Error('the connection ended');
      let announced = false;
      socket.on('error', (error) => {
        reason = error;
      });
      socket.on('close', () => {
        reject(reason);
        this.#ended(reason);
      });
      socket.on('data', (data: Buffer) => {
        for (const message of this.#frames.push(data) ?? [null]) {
          const fault =
            message === null
              ? 'it breaks the protocol'
              : announced
                ? this.#take(message)
                : announcementFault(message);
          if (fault !== null) {
            socket.destroy(new Error(fault));
            return;
          }
          if (!announced) {
            announced = true;
            socket.setTimeout(0);
            this.#connected(socket);
            resolve(socket);
          }
        }
      });
    });
  }

  #connected(socket: Socket): void {
    this.#failures = 0;
    if (this.#lost) {
      this.#lost = false;
      this.#props.logger.info(`tlsmgr ${this.#props.path}: works again`);
    }
    if (this.#props.onTicketKeys !== undefined) {
      this.#number = (this.#number % 0xffffffff) + 1;
      this.#waiting.set(this.#number, { done: () => undefined, failed: () => undefined });
      socket.write(encode(this.#number, requests.subscribe, this.#props.knownTicketKeys?.()));
    }
  }

  /** What is wrong with it; null: nothing. */
  #take(message: Message): string | null {
    if (message.number === 0) {
      if (message.code !== unasked.ticketKeys) {
        return 'it breaks the protocol';
      }
      this.#props.onTicketKeys?.(message.fields);
      return null;
    }
    const waiting = this.#waiting.get(message.number);
    this.#waiting.delete(message.number);
    waiting?.done(message); // one that nobody waits for came too late
    return null;
  }

  #ended(reason: Error): void {
    this.#drop(reason);
    if (this.#closed) {
      return;
    }
    const [first, most] = this.#props.backoff ?? [100, 5000];
    const wait = Math.min(most, first * 2 ** Math.min(this.#failures++, 20));
    this.#notBefore = performance.now() + wait;
    if (!this.#lost) {
      this.#lost = true;
      const { path, logger } = this.#props;
      logger.warn(`tlsmgr ${path}: ${reason.message}; full TLS handshakes meanwhile`);
    }
    this.#retry = setTimeout(() => this.start(), wait + 1);
    this.#retry.unref();
  }

  #drop(reason: Error): void {
    this.#socket = null;
    this.#opening = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { failed } of waiting) {
      failed(reason);
    }
  }
}
