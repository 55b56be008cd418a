/**
 * A client connection as callbacks and log see it; the session behind it stays out of reach.
 */
import type { NativeConnection } from '../native.js';
import type { Recipient, Sender } from '../smtp/envelope.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { Authenticated } from './authentication.js';
import type { Dialogue } from './dialogue.js';
import type { SmtpdSession } from './handlers.js';

export class ClientView implements SmtpdSession {
  readonly remoteAddress: string;
  clientName = 'unknown';
  /** The connection is in TLS. */
  tlsActive: boolean;

  readonly #connection: NativeConnection;
  readonly #dialogue: Dialogue;
  #tls: TlsSnapshot | null = null;

  constructor(connection: NativeConnection, dialogue: Dialogue, tlsActive: boolean) {
    this.remoteAddress = plainAddress(connection.remoteAddress);
    this.tlsActive = tlsActive;
    this.#connection = connection;
    this.#dialogue = dialogue;
  }

  // Each of these is a system call; few callbacks ask.
  get remotePort(): number {
    return this.#connection.remotePort;
  }

  get localAddress(): string {
    return plainAddress(this.#connection.localAddress);
  }

  get localPort(): number {
    return this.#connection.localPort;
  }

  get namaddr(): string {
    return `${this.clientName}[${this.remoteAddress}]`;
  }

  get helo(): string | null {
    return this.#dialogue.helo;
  }

  get protocol(): 'SMTP' | 'ESMTP' {
    return this.#dialogue.protocol;
  }

  get auth(): Authenticated | null {
    return this.#dialogue.authentication.user;
  }

  get sender(): Sender | null {
    return this.#dialogue.mail.sender;
  }

  get recipients(): readonly Recipient[] {
    return this.#dialogue.mail.recipients;
  }

  get queueId(): string | null {
    return this.#dialogue.mail.queueId;
  }

  /** Why the client's certificate does not do where one is required; null when it does. */
  certificateProblem(): string | null {
    if (this.tls?.status === 'Trusted') {
      return null;
    }
    return this.tls?.certificateType === 'x509'
      ? 'Client certificate not trusted'
      : 'No client certificate presented';
  }

  /** Taken from the connection when it is first asked for. */
  get tls(): TlsSnapshot | null {
    if (this.#tls === null && this.tlsActive && this.#connection.open) {
      this.#tls = this.#connection.snapshot() as TlsSnapshot | null;
    }
    return this.#tls;
  }
}

/** IPv4 addresses of a dual-stack listener lose their IPv6 dress; a UNIX socket is this machine. */
export function plainAddress(address: string): string {
  if (address === '') {
    return '127.0.0.1';
  }
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
