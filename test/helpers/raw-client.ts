/**
 * A client that says exactly what it is told, over a plain socket: for transcripts and for bad manners.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class RawClient {
  readonly socket: Socket;
  #text = '';
  #ended = false;
  #changed: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    this.attach(socket);
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** Connects and takes the greeting. */
  static async greeted(port: number): Promise<RawClient> {
    const client = await RawClient.connect(port);
    await client.reply();
    return client;
  }

  attach(socket: NodeJS.ReadableStream): void {
    socket.on('data', (data: Buffer) => {
      this.#text += data.toString();
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

  /** @param more what is sent next leaves in the same write */
  send(text: string | Buffer, more = false): void {
    if (more && this.socket.writableCorked === 0) {
      this.socket.cork();
    }
    this.socket.write(text);
    if (!more && this.socket.writableCorked > 0) {
      this.socket.uncork();
    }
  }

  /** Half-close. */
  end(): void {
    this.socket.end();
  }

  /** Closes with RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Says a command and gives the reply to it. */
  async command(text: string): Promise<string> {
    this.send(`${text}\r\n`);
    return this.reply();
  }

  /** Says commands one by one; the replies in order. */
  async commands(...texts: readonly string[]): Promise<string[]> {
    const replies: string[] = [];
    for (const text of texts) {
      replies.push(await this.command(text));
    }
    return replies;
  }

  /** The next whole reply, its lines joined by LF. */
  async reply(): Promise<string> {
    const found = await this.#until(() => /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(this.#text));
    this.#text = this.#text.slice(found[0].length);
    return found[0].trimEnd().replace(/\r\n/g, '\n');
  }

  /** The next line of a reply. */
  async line(): Promise<string> {
    const found = await this.#until(() => /^.*\r\n/.exec(this.#text));
    this.#text = this.#text.slice(found[0].length);
    return found[0].slice(0, -2);
  }

  /** All that comes until the server ends. */
  async rest(): Promise<string> {
    await this.#until(() => (this.#ended ? true : null));
    const text = this.#text;
    this.#text = '';
    return text;
  }

  take(): string {
    const t = this.#text;
    this.#text = '';
    return t;
  }
  get isEnded(): boolean {
    return this.#ended;
  }
  async #until<T>(check: () => T | null): Promise<T> {
    for (;;) {
      const found = check();
      if (found !== null) {
        return found;
      }
      if (this.#ended) {
        throw new Error(`the server has ended; left: ${JSON.stringify(this.#text)}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
      this.#changed = null;
    }
  }
}
