/**
 * Connection: a native connection as a Duplex, for programs with a dialogue of their own.
 *
 * Plaintext until `startTls`, TLS afterwards, one object. The kernel's buffers are the only ones
 * beside the stream's: reading stops when nobody takes what was read, and a write is done when the
 * system has it. A peer that ends its side ends the readable side only (half-close).
 */
import { Duplex } from 'node:stream';
import { addon } from './addon.js';
import type { ConnectionOwner } from './dispatch.js';
import './dispatch.js';
import { TlsError } from './errors.js';
import type { NativeConnection, NativeContext, StartTlsProps } from './native.js';
import { changeToTls, type PlaintextHolder, type Role } from './start-tls.js';
import type { TlsSnapshot } from './snapshot.js';

type Callback = (error?: Error | null) => void;

interface PendingHandshake {
  resolve(snapshot: TlsSnapshot): void;
  reject(error: TlsError): void;
}

export interface ConnectOptions {
  /** IP address; or `path`. */
  readonly host?: string;
  readonly port?: number;
  /** UNIX socket. */
  readonly path?: string;
  /** Source address. */
  readonly localAddress?: string;
  /** Milliseconds; default: the system's. */
  readonly timeout?: number;
}

export class Connection extends Duplex {
  /** The side of a later handshake. */
  readonly role: Role;

  readonly #native: NativeConnection;
  #tls: TlsSnapshot | null = null;
  #handshake: PendingHandshake | null = null;
  /** The stream has room. */
  #wanted = false;
  #peerEnded = false;
  #written: Callback | null = null;
  /** What was asked for during a handshake and comes after it. */
  #deferred: (() => void) | null = null;
  #discarding = false;
  /** The native connection is somebody else's. */
  #released = false;

  /** @param native open and without an owner; it belongs to this object from now on */
  constructor(native: NativeConnection, role: Role) {
    super({ allowHalfOpen: true, emitClose: true, autoDestroy: true });
    this.#native = native;
    this.role = role;
    native.owner = this.#owner();
  }

  /** Connects as a client. @throws TlsError (rejects) `CONNECT_FAILED`, `CONNECT_TIMEOUT`, `INVALID_ARGUMENT` */
  static async connect(options: ConnectOptions): Promise<Connection> {
    const native = addon.connect({
      host: options.path === undefined ? (options.host ?? '127.0.0.1') : null,
      port: options.port ?? 0,
      path: options.path ?? null,
      localAddress: options.localAddress ?? null,
      timeout: options.timeout ?? 0,
    });
    await new Promise<void>((resolve, reject) => {
      native.owner = {
        onConnect: (error: TlsError | null) => (error === null ? resolve() : reject(error)),
      } as Partial<ConnectionOwner>;
    });
    return new Connection(native, 'client');
  }

  /** The TLS session; null in plaintext. */
  get tls(): TlsSnapshot | null {
    return this.#tls;
  }

  /**
   * A client's first new session, once, for the next connection to the same server ({@link clientTls}); null: none, or
   * not yet: in TLS 1.3 it comes with the server's first data. It holds secrets; one of TLS 1.3 is to be used once.
   */
  takeSession(): Buffer | null {
    return this.#native.takeSession();
  }

  get remoteAddress(): string {
    return this.#native.remoteAddress;
  }

  get remotePort(): number {
    return this.#native.remotePort;
  }

  get localAddress(): string {
    return this.#native.localAddress;
  }

  get localPort(): number {
    return this.#native.localPort;
  }

  get bytesRead(): number {
    return this.#native.bytesRead;
  }

  get bytesWritten(): number {
    return this.#native.bytesWritten;
  }

  /**
   * Changes to TLS. What was read and not taken from the stream at this moment is thrown away on a
   * server; on a client it ends the connection.
   *
   * @throws TlsError (rejects) `INVALID_STATE` while a write is pending, after `end`, in TLS or
   *   when closed; `EARLY_PLAINTEXT`; what the handshake failed with - the connection is closed then
   */
  startTls(context: NativeContext, props: StartTlsProps): Promise<TlsSnapshot> {
    return new Promise((resolve, reject) => {
      this.#requirePlaintext();
      try {
        changeToTls(this.#native, this.role, this.#holder(), context, props);
      } catch (error) {
        if (error instanceof TlsError && error.code === 'EARLY_PLAINTEXT') {
          this.destroy();
        }
        throw error;
      }
      this.#handshake = { resolve, reject };
    });
  }

  /** What was traced of TLS since the last call, whole lines; null: nothing. After the end, too. */
  takeTrace(): string | null {
    return this.#native.takeTrace();
  }

  /** Of the connection, which it stays; -1 unless it is open and in plaintext. */
  get fd(): number {
    return this.#native.fd;
  }

  /** Sends bytes with a duplicate of a descriptor, at once, over a UNIX socket in plaintext. @throws TlsError */
  sendDescriptor(fd: number, data: Uint8Array): void {
    this.#native.sendDescriptor(fd, data);
  }

  /** Whether descriptors that come along with what is read are kept, to be taken. */
  receiveDescriptors(wanted: boolean): void {
    this.#native.receiveDescriptors(wanted);
  }

  /** The first descriptor that has come, once; it is the caller's to close. -1: none. */
  takeDescriptor(): number {
    return this.#native.takeDescriptor();
  }

  /** Milliseconds without progress until `timeout` is emitted, once; 0 disarms. */
  setTimeout(ms: number): this {
    this.#native.setTimeout(ms);
    return this;
  }

  /**
   * A budget of `ms` until `timeout` is emitted; each byte moved adds 1000 / `minDataRate` ms, never
   * past `ms` from then. 0 disarms.
   */
  setDeadline(ms: number, minDataRate = 0): this {
    this.#native.setDeadline(ms, minDataRate);
    return this;
  }

  /**
   * Gives up the native connection, for an owner of another kind; this object is over.
   *
   * @internal
   * @returns it, and what was read of it and taken by nobody
   * @throws TlsError `INVALID_STATE`: it is closed, by the peer perhaps
   */
  release(): { readonly native: NativeConnection; readonly read: Buffer } {
    const native = this.#native;
    if (this.destroyed || this.#peerEnded || !native.open) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'the connection is closed' });
    }
    native.readStop();
    const read: Buffer[] = [];
    this.#discarding = true;
    for (let chunk = this.read(); chunk !== null; chunk = this.read()) {
      read.push(chunk as Buffer);
    }
    native.readStop(); // an emptied stream asks for more
    native.owner = null;
    this.#released = true;
    this.destroy();
    return { native, read: Buffer.concat(read) };
  }

  /** Closes at once, without a farewell to the peer. */
  abort(): void {
    this.destroy();
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    // Taking bytes out of a stream emits them; these are to be seen by nobody.
    return this.#discarding && event === 'data' ? false : super.emit(event, ...args);
  }

  /** @internal */
  override _read(): void {
    this.#wanted = true;
    if (this.#handshake === null && !this.#peerEnded && this.#native.open) {
      this.#native.readStart();
    }
  }

  /** @internal */
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    if (this.#handshake !== null) {
      this.#deferred = () => this._write(chunk, _encoding, done);
      return;
    }
    try {
      if (this.#native.write(chunk)) {
        done();
      } else {
        this.#written = done;
      }
    } catch (error) {
      done(error as TlsError);
    }
  }

  /** @internal */
  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: Callback): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  }

  /** @internal */
  override _final(done: Callback): void {
    if (this.#handshake !== null) {
      this.#deferred = () => this._final(done);
      return;
    }
    if (this.#native.open) {
      this.#native.end();
    }
    done();
  }

  /** @internal */
  override _destroy(error: Error | null, done: Callback): void {
    if (!this.#released) {
      this.#native.owner = null;
      this.#native.destroy();
    }
    const cancelled = new TlsError({ code: 'CANCELLED', message: 'the connection was closed' });
    this.#handshake?.reject(error instanceof TlsError ? error : cancelled);
    this.#handshake = null;
    this.#written?.(cancelled);
    this.#written = null;
    done(error);
  }

  #requirePlaintext(): void {
    const problem =
      this.destroyed || !this.#native.open
        ? 'the connection is closed'
        : this.#tls !== null
          ? 'TLS is active already'
          : this.#handshake !== null
            ? 'a handshake is going on'
            : this.writableEnded
              ? 'our side has ended'
              : this.writableLength > 0
                ? 'a write is pending'
                : null;
    if (problem !== null) {
      throw new TlsError({ code: 'INVALID_STATE', message: `cannot start TLS: ${problem}` });
    }
  }

  #holder(): PlaintextHolder {
    return {
      buffered: this.readableLength,
      clear: () => {
        this.#discarding = true;
        while (this.read() !== null) {
          // emitted to nobody
        }
        this.#discarding = false;
      },
    };
  }

  /** Kept apart so that these calls are not part of the class's face. */
  #owner(): ConnectionOwner {
    return {
      onRead: (slab, length) => this.#onRead(slab, length),
      onEnd: () => {
        this.#peerEnded = true;
        this.push(null);
      },
      onDrain: () => {
        const done = this.#written;
        this.#written = null;
        done?.();
      },
      onHandshake: (error) => this.#onHandshake(error),
      onTimeout: () => this.emit('timeout'),
      onClose: (error) => this.#onClose(error),
    };
  }

  #onRead(slab: Buffer, length: number): void {
    // The slab is somebody else's in the next moment.
    if (!this.push(Buffer.from(slab.subarray(0, length)))) {
      this.#wanted = false;
      this.#native.readStop();
    }
  }

  #onHandshake(error: TlsError | null): void {
    const pending = this.#handshake;
    this.#handshake = null;
    if (error !== null) {
      pending?.reject(error); // told once: no error event beside it
      this.destroy();
      return;
    }
    this.#tls = this.#native.snapshot() as TlsSnapshot;
    pending?.resolve(this.#tls);
    const deferred = this.#deferred;
    this.#deferred = null;
    deferred?.();
    if (this.#wanted) {
      this._read();
    }
  }

  #onClose(error: TlsError | null): void {
    if (error !== null) {
      this.destroy(error);
      return;
    }
    if (!this.#peerEnded) {
      this.#peerEnded = true;
      this.push(null); // autoDestroy follows when that has been read
    }
  }
}
