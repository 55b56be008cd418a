/**
 * SASL in SMTP (RFC 4954): PLAIN (RFC 4616), LOGIN and EXTERNAL (RFC 4422 appendix A), the server's side as a state
 * machine.
 *
 * Pure: responses in; a challenge, the credentials, or a refusal out.
 */

export interface Credentials {
  readonly mechanism: PasswordMechanism;
  readonly username: string;
  readonly password: string;
  /** Whom to act for (PLAIN); `` is the user. */
  readonly authzid: string;
}

/** What a client says with EXTERNAL; who it is, its TLS session tells. */
export interface ExternalCredentials {
  readonly mechanism: 'EXTERNAL';
  /** Whom to act for; `` leaves it to the server. */
  readonly authzid: string;
}

/** These show the password. */
export type PasswordMechanism = 'PLAIN' | 'LOGIN';

export type SaslMechanism = PasswordMechanism | 'EXTERNAL';

export const passwordMechanisms: readonly PasswordMechanism[] = ['PLAIN', 'LOGIN'];

export type SaslStep =
  | { readonly challenge: string }
  | { readonly credentials: Credentials | ExternalCredentials }
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
    return { challenge: this.mechanism === 'LOGIN' ? usernamePrompt : '' };
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
    switch (this.mechanism) {
      case 'PLAIN':
        return this.#plain(text);
      case 'LOGIN':
        return this.#login(text);
      case 'EXTERNAL':
        return text.includes('\0')
          ? malformed
          : { credentials: { mechanism: 'EXTERNAL', authzid: text } };
    }
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
