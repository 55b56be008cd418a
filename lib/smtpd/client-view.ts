/**
 * A client connection as callbacks and log see it; the session behind it stays out of reach.
 */
import type { NativeClaims, NativeConnection } from '../native.js';
import type { Recipient, Sender } from '../smtp/envelope.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { Authenticated } from './authentication.js';
import type { Dialogue } from './dialogue.js';
import type { SmtpdSession } from './handlers.js';
import type { Service } from './service.js';

export class ClientView implements SmtpdSession {
  readonly remoteAddress: string;
  clientName = 'unknown';
  /** The connection is in TLS. */
  tlsActive: boolean;
  /** For what is ready-made and has to know the settings. */
  readonly service: Service;

  readonly #connection: NativeConnection;
  readonly #dialogue: Dialogue;
  #tls: TlsSnapshot | null = null;
  #claims: NativeClaims | null = null;

  constructor(connection: NativeConnection, dialogue: Dialogue, service: Service) {
    this.remoteAddress = plainAddress(connection.remoteAddress);
    this.tlsActive = service.mode.wrappermode;
    this.service = service;
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

  /** Names in the client's certificate, trusted or not: for what says that they are not verified. Null without one. */
  get claims(): NativeClaims | null {
    if (this.#claims === null && this.tls?.certificateType === 'x509' && this.#connection.open) {
      this.#claims = this.#connection.claims();
    }
    return this.#claims;
  }

  /** The client has shown a certificate or a raw public key, trusted or not. */
  get hasCredential(): boolean {
    return this.tls !== null && this.tls.certificateType !== null;
  }
}

/** IPv4 addresses of a dual-stack listener lose their IPv6 dress; a UNIX socket is this machine. */
export function plainAddress(address: string): string {
  if (address === '') {
    return '127.0.0.1';
  }
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
