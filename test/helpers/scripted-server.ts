/** A server that does what a script says, good manners or bad, over a plain socket. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import { certificate } from './certificates.js';

export class ScriptedPeer {
  readonly #raw: Socket;
  #socket: Socket;
  #text = '';
  #ended = false;
  #changed: (() => void) | null = null;
  /** All that was heard. */
  heard = '';

  constructor(socket: Socket) {
    this.#raw = socket;
    this.#socket = socket;
    this.#attach(socket);
  }

  /** The client has ended its side. */
  get ended(): boolean {
    return this.#ended;
  }

  say(text: string): void {
    this.#socket.write(text);
  }

  /** The next line, without its end; null when the client has ended. */
  async hear(): Promise<string | null> {
    await this.#until(() => this.#ended || this.#text.includes('\n'));
    const end = this.#text.indexOf('\n');
    if (end < 0) {
      return null;
    }
    const line = this.#text.slice(0, end).replace(/\r$/, '');
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  /** Hears one line and answers. */
  async answer(text: string): Promise<string | null> {
    const line = await this.hear();
    this.say(text);
    return line;
  }

  /** Hears up to the end of a message. */
  async hearMessage(): Promise<string> {
    await this.#until(() => this.#ended || /(^|\r\n)\.\r\n/.test(this.#text));
    const match = /(^|\r\n)\.\r\n/.exec(this.#text);
    const end = match === null ? this.#text.length : match.index + match[0].length;
    const message = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return message;
  }

  /** The same for a large message that nobody will look at. */
  async skipMessage(): Promise<void> {
    await this.#until(() => {
      const end = this.#text.indexOf('\r\n.\r\n');
      this.#text = end < 0 ? this.#text.slice(-4) : this.#text.slice(end + 5);
      return this.#ended || end >= 0;
    });
  }

  /** Hears so many bytes, or what comes before the client ends. */
  async hearBytes(size: number): Promise<void> {
    await this.#until(() => this.#ended || this.#text.length >= size);
    this.#text = this.#text.slice(size);
  }

  /** Waits until the client has ended. */
  async gone(): Promise<void> {
    await this.#until(() => this.#ended);
  }

  /** Goes on in TLS; rejects when the client breaks the handshake off. */
  async secure(): Promise<void> {
    const { keyFile, certFile } = certificate('ecdsa');
    const secureContext = createSecureContext({
      key: readFileSync(keyFile),
      cert: readFileSync(certFile),
    });
    this.#socket.removeAllListeners('data');
    const secured = new TLSSocket(this.#socket, { isServer: true, secureContext });
    this.#socket = secured;
    this.#attach(secured);
    await new Promise<unknown>((resolve, reject) => {
      const closed = (): void => reject(new Error('the client has gone in the handshake'));
      secured.once('secure', resolve).once('error', reject);
      secured.once('end', closed).once('close', closed);
      this.#raw.once('end', closed).once('close', closed);
      if (this.#ended) {
        closed();
      }
    });
  }

  /** Passes everything from now on through to somebody else on this machine. */
  bridge(port: number): void {
    const other = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#raw.removeAllListeners('data');
    this.#raw.pipe(other);
    other.pipe(this.#raw);
    other.on('error', () => this.#raw.destroy());
    this.#raw.on('close', () => other.destroy());
  }

  /** Reads nothing from now on, and so never learns that the client has gone. */
  stopReading(): void {
    this.#raw.pause();
    this.#ended = true;
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#raw.resetAndDestroy();
  }

  #attach(socket: Socket): void {
    socket.on('data', (data: Buffer) => {
      this.#text += data.toString('latin1');
      this.heard += data.toString('latin1');
      this.#changed?.();
    });
    const end = (): void => {
      this.#ended = true;
      this.#changed?.();
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', end);
  }

  async #until(check: () => boolean): Promise<void> {
    while (!check()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

export interface ScriptedServer {
  readonly port: number;
  /** `[127.0.0.1]:port` */
  readonly nexthop: string;
  /** `127.0.0.1[127.0.0.1]` */
  readonly namaddr: string;
  /** Rejects when a script has failed. */
  readonly done: Promise<unknown>;
  /** Connections so far. */
  connections: number;
}

type Script = (peer: ScriptedPeer) => Promise<void> | void;

export interface ScriptedServers {
  /** One script for each connection, in order; the last one for all that follow. */
  listen(...scripts: readonly Script[]): Promise<ScriptedServer>;
  /** Ends all of them. */
  close(): void;
}

/** Servers that live until they are closed. */
export function scriptedServers(): ScriptedServers {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  return {
    listen: async (...scripts) => {
      const running: Promise<void>[] = [];
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        const script = scripts[Math.min(result.connections++, scripts.length - 1)];
        running.push(Promise.resolve(script?.(new ScriptedPeer(socket))));
      });
      servers.push(server);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const result = {
        port,
        nexthop: `[127.0.0.1]:${port}`,
        namaddr: '127.0.0.1[127.0.0.1]',
        connections: 0,
        get done() {
          return Promise.all(running);
        },
      };
      return result;
    },
    close: () => {
      for (const server of servers) {
        server.close();
      }
      for (const socket of sockets) {
        socket.destroy();
      }
    },
  };
}

/** A server that lives as long as the test; see {@link ScriptedServers.listen}. */
export function scriptedServer(...scripts: readonly Script[]): Promise<ScriptedServer> {
  const servers = scriptedServers();
  onTestFinished(() => servers.close());
  return servers.listen(...scripts);
}

/** Greeting and EHLO of a server that offers these keywords. */
export async function hello(peer: ScriptedPeer, ...keywords: readonly string[]): Promise<void> {
  peer.say('220 peer.example ESMTP\r\n');
  await ehlo(peer, ...keywords);
}

/** EHLO alone. */
export async function ehlo(peer: ScriptedPeer, ...keywords: readonly string[]): Promise<void> {
  const lines = ['peer.example', ...keywords];
  await peer.answer(
    lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}\r\n`).join(''),
  );
}

/** The rest of a dialogue in which everything is accepted. */
export async function acceptMail(peer: ScriptedPeer): Promise<string> {
  for (;;) {
    const line = await peer.hear();
    if (line === null || line === 'QUIT') {
      return '';
    }
    if (line === 'DATA') {
      peer.say('354 go\r\n');
      const message = await peer.hearMessage();
      peer.say('250 2.0.0 Ok: queued as PEER\r\n');
      return message;
    }
    peer.say('250 2.1.0 Ok\r\n');
  }
}
