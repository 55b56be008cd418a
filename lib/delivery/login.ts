/**
 * AUTH as a client (RFC 4954): PLAIN, else LOGIN.
 */
import type { ReplyReader } from '../smtp/reply-reader.js';
import { type PasswordMechanism, passwordMechanisms, plainResponse } from '../smtp/sasl.js';
import { deferred, type Failure } from './failure.js';

export interface LoginCredentials {
  readonly username: string;
  readonly password: string;
}

/** User and password for a host, or null for no AUTH. */
export type CredentialsLookup = (
  host: string,
) => LoginCredentials | null | Promise<LoginCredentials | null>;

/** What the caller has for a host; that its look-up fails defers the delivery. */
export async function lookupCredentials(
  host: string,
  lookup: CredentialsLookup,
): Promise<LoginCredentials | Failure | null> {
  try {
    return await lookup(host);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return deferred('connect', '4.3.0', `cannot look up the credentials for ${host}: ${reason}`);
  }
}

export class Login {
  readonly #credentials: LoginCredentials;
  readonly #mechanism: PasswordMechanism | null;
  /** Lines that answer further challenges. */
  #responses: string[] = [];

  /**
   * @param offered what the server offers
   * @param refused properties that a mechanism must not have; both show the password
   */
  constructor(
    credentials: LoginCredentials,
    offered: readonly string[],
    refused: readonly string[],
  ) {
    this.#credentials = credentials;
    this.#mechanism = refused.includes('noplaintext')
      ? null
      : (passwordMechanisms.find((mechanism) => offered.includes(mechanism)) ?? null);
  }

  /** The command, or null when there is no mechanism for both sides. */
  begin(): string | null {
    const { username, password } = this.#credentials;
    switch (this.#mechanism) {
      case 'PLAIN':
        return `AUTH PLAIN ${plainResponse(username, password)}\r\n`;
      case 'LOGIN':
        this.#responses = [username, password];
        return 'AUTH LOGIN\r\n';
      default:
        return null;
    }
  }

  /** What to say next, `done`, or null: it has failed. */
  answer(reply: ReplyReader): string | 'done' | null {
    if (reply.code === 235) {
      return 'done';
    }
    const response = reply.code === 334 ? this.#responses.shift() : undefined;
    return response === undefined ? null : `${Buffer.from(response).toString('base64')}\r\n`;
  }
}
