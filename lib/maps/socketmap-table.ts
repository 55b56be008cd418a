/**
 * `socketmap:inet:HOST:PORT:NAME` and `socketmap:unix:PATH:NAME`: a table in another process, by the protocol of
 * Postfix's socketmap_table(5). The request is the netstring `NAME KEY`, the reply is one netstring:
 *
 *     OK DATA | NOTFOUND | TEMP REASON | TIMEOUT REASON | PERM REASON
 *
 * The connection is made for the first key and kept; keys are asked one after the other. A server that has closed it
 * meanwhile is connected to again, once for each key. Whatever is not an answer is an error, and ends the connection.
 */
import { type NetConnectOpts, connect, type Socket } from 'node:net';
import { systemErrorText } from '../log/system-error.js';
import { netstring, NetstringReader } from './netstring.js';
import type { OpenTable } from './table.js';
import { tableError } from './table-error.js';

export interface SocketmapOptions {
  /** Milliseconds for one attempt: connecting, asking, and the answer. Default: 100 seconds, as with Postfix. */
  readonly timeLimit?: number;
  /** An idle connection is closed after so many milliseconds. Default: 10 seconds. */
  readonly idleLimit?: number;
  /** Bytes of a reply, `socketmap_max_reply_size`. Default: 100000. */
  readonly maxReplySize?: number;
}

/**
 * Opens a table; nothing is sent yet.
 *
 * @param name all behind `socketmap:`
 * @throws TlsError `LOOKUP_TABLE`
 */
export function openSocketmap(name: string, options: SocketmapOptions = {}): OpenTable {
  const spec = `socketmap:${name}`;
  const match = /^(?:inet:(\[[^\]]+\]|[^:]+):(\d{1,5})|unix:([^:]+)):([^:\s]+)$/.exec(name);
  const [, host, port, path, map] = match ?? [];
  if (map === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65535) {
    throw tableError(
      `bad syntax: "${spec}"`,
      'write socketmap:inet:HOST:PORT:NAME or socketmap:unix:PATH:NAME',
    );
  }
  const where: NetConnectOpts =
    path === undefined
      ? { host: host?.replace(/^\[|\]$/g, '') ?? '', port: Number(port), autoSelectFamily: true }
      : { path };
  return new SocketmapTable(spec, where, map, options);
}

type Outcome =
  | { readonly kind: 'reply'; readonly text: string }
  /** The connection was gone before a byte of the answer was there. */
  | { readonly kind: 'lost'; readonly text: string }
  | { readonly kind: 'fault'; readonly text: string };

class SocketmapTable implements OpenTable {
  readonly spec: string;
  readonly #where: NetConnectOpts;
  readonly #map: string;
  readonly #options: Required<SocketmapOptions>;
  #socket: Socket | null = null;
  #busy: Promise<unknown> = Promise.resolve();
  #idle: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(spec: string, where: NetConnectOpts, map: string, options: SocketmapOptions) {
    this.spec = spec;
    this.#where = where;
    this.#map = map;
    this.#options = { timeLimit: 100_000, idleLimit: 10_000, maxReplySize: 100_000, ...options };
  }

  lookup(key: string): Promise<string | undefined> {
    const answer = this.#busy.then(() => this.#lookup(key));
    this.#busy = answer.catch(() => undefined);
    return answer;
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  async #lookup(key: string): Promise<string | undefined> {
    const request = netstring(`${this.#map} ${key}`);
    const kept = this.#socket !== null;
    let outcome = await this.#ask(request);
    if (kept && outcome.kind === 'lost') {
      outcome = await this.#ask(request); // it had been closed while it was idle
    }
    if (outcome.kind !== 'reply') {
      throw this.#error(`: ${outcome.text}`);
    }
    return this.#read(outcome.text);
  }

  async #ask(request: Buffer): Promise<Outcome> {
    if (this.#closed) {
      throw this.#error(': the table is closed');
    }
    const outcome = await exchange(this.#open(), request, this.#options);
    if (outcome.kind === 'reply' && !this.#closed) {
      this.#rest();
    } else {
      this.#drop();
    }
    return outcome;
  }

  #read(reply: string): string | undefined {
    const [, status = '', data = ''] = /^(\S*) ?(.*)$/s.exec(reply) ?? [];
    switch (status) {
      case 'OK':
        return data;
      case 'NOTFOUND':
        return undefined;
      case 'TEMP':
      case 'TIMEOUT':
      case 'PERM': {
        const kind = { TEMP: 'temporary', TIMEOUT: 'timeout', PERM: 'permanent' }[status];
        const reason = data === '' ? '' : `: ${data.slice(0, 200)}`;
        throw this.#error(` socketmap server ${kind} error${reason}`);
      }
      default:
        this.#drop();
        throw this.#error(`: unexpected reply status '${status.slice(0, 100)}'`);
    }
  }

  #open(): Socket {
    if (this.#idle !== null) {
      clearTimeout(this.#idle);
      this.#idle = null;
    }
    if (this.#socket !== null) {
      return this.#socket.ref();
    }
    const socket = connect(this.#where);
    socket.on('error', () => undefined); // whoever waits for an answer has a listener of its own
    const dropIdle = (): void => {
      if (this.#idle !== null && this.#socket === socket) {
        this.#drop();
      }
    };
    socket.on('data', dropIdle).on('end', dropIdle).on('close', dropIdle);
    this.#socket = socket;
    return socket;
  }

  /** Nobody waits: it does not keep the process, and bytes that come now belong to no question. */
  #rest(): void {
    this.#socket?.unref();
    this.#idle = setTimeout(() => this.#drop(), this.#options.idleLimit).unref();
  }

  #drop(): void {
    if (this.#idle !== null) {
      clearTimeout(this.#idle);
      this.#idle = null;
    }
    this.#socket?.destroy();
    this.#socket = null;
  }

  #error(text: string): Error {
    return tableError(`${this.spec}${text}`);
  }
}

/** One request, one reply. The socket is left without listeners of ours, whatever happened. */
function exchange(
  socket: Socket,
  request: Buffer,
  { timeLimit, maxReplySize }: Required<SocketmapOptions>,
): Promise<Outcome> {
  const reader = new NetstringReader(maxReplySize);
  let answered = false;
  return new Promise((resolve) => {
    const finish = (kind: Outcome['kind'], text: string): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onEnd).off('end', onEnd);
      resolve({ kind, text });
    };
    const timer = setTimeout(() => finish('fault', 'Connection timed out'), timeLimit);
    const onData = (chunk: Buffer): void => {
      answered = true;
      const result = reader.push(chunk);
      if (result.kind === 'fault') {
        finish('fault', `netstring protocol error: ${result.text}`);
      } else if (result.kind === 'done') {
        finish('reply', result.content.toString());
      }
    };
    const onError = (error: Error): void => finish(answered ? 'fault' : 'lost', reasonOf(error));
    const onEnd = (): void => finish(answered ? 'fault' : 'lost', 'the server closed it');
    socket.on('data', onData).on('error', onError).on('close', onEnd).on('end', onEnd);
    socket.write(request);
  });
}

/** Of several addresses the first one's. */
function reasonOf(error: NodeJS.ErrnoException): string {
  const first =
    error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  return first.errno === undefined ? first.message : systemErrorText(first.errno);
}
