/**
 * SASL in SMTP (RFC 4954): PLAIN (RFC 4616) and LOGIN, the server's side as a state machine.
 *
 * Pure: responses in; a challenge, the credentials, or a refusal out.
 */

export interface Credentials {
  readonly mechanism: SaslMechanism;
  readonly username: string;
  readonly password: string;
  /** Whom to act for (PLAIN); `` is the user. */
  readonly authzid: string;
}

export type SaslMechanism = 'PLAIN' | 'LOGIN';

export const saslMechanisms: readonly SaslMechanism[] = ['PLAIN', 'LOGIN'];

export type SaslStep =
  | { readonly challenge: string }
  | { readonly credentials: Credentials }
  | { readonly refused: 'aborted' | 'base64' | 'malformed' };

const usernamePrompt = Buffer.from('Username:').toString('base64');
const passwordPrompt = Buffer.from('Password:').toString('base64');
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const malformed = { refused: 'malformed' } as const;

export class SaslExchange {
  readonly mechanism: SaslMechanism;
  #username: string | null = null;

  constructor(mechanism: SaslMechanism) {
    this.mechanism = mechanism;
  }

  /** @param initial the initial response of the AUTH command, as it came; null without one */
  begin(initial: string | null): SaslStep {
    if (initial !== null) {
      return this.respond(initial === '=' ? '' : initial);
    }
    return { challenge: this.mechanism === 'PLAIN' ? '' : usernamePrompt };
  }

  /** @param response one line in base64; `*` gives up */
  respond(response: string): SaslStep {
    if (response === '*') {
      return { refused: 'aborted' };
    }
    if (!base64.test(response)) {
      return { refused: 'base64' };
    }
    const text = Buffer.from(response, 'base64').toString('utf8');
    if (text.includes('\ufffd')) {
      return malformed;
    }
    return this.mechanism === 'PLAIN' ? this.#plain(text) : this.#login(text);
  }

  #plain(text: string): SaslStep {
    const [authzid, username, password, ...more] = text.split('\0');
    if (authzid === undefined || !username || !password || more.length > 0) {
      return malformed;
    }
    return { credentials: { mechanism: 'PLAIN', username, password, authzid } };
  }

  #login(text: string): SaslStep {
    if (text.includes('\0') || text === '') {
      return malformed;
    }
    if (this.#username === null) {
      this.#username = text;
      return { challenge: passwordPrompt };
    }
    const username = this.#username;
    return { credentials: { mechanism: 'LOGIN', username, password: text, authzid: '' } };
  }
}

/** The client's side: what follows AUTH PLAIN. */
export function plainResponse(username: string, password: string): string {
  return Buffer.from(`\0${username}\0${password}`).toString('base64');
}
