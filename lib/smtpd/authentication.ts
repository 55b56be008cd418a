/**
 * AUTH (RFC 4954): the exchange of one session, and who it has authenticated.
 *
 * The engine knows PLAIN, LOGIN and EXTERNAL; callbacks say whether a password is right, and whom a client's
 * certificate or raw public key is for. Nothing is offered where there is no callback, nor in plaintext where TLS is
 * mandatory or `smtpd_tls_auth_only` is set.
 */
import { TlsError } from '../errors.js';
import { formatReply, type Reply } from '../smtp/reply.js';
import {
  type Credentials,
  type ExternalCredentials,
  SaslExchange,
  type SaslStep,
} from '../smtp/sasl.js';
import type { DialogueHost } from './dialogue-host.js';
import type { AuthAnswer, AuthDecision } from './handlers.js';
import * as texts from './texts.js';

/** Who a session belongs to. */
export interface Authenticated {
  readonly mechanism: string;
  readonly username: string;
  /** Whom the user acts for; `` is the user. */
  readonly authzid: string;
}

export class Authentication {
  /** Null before. */
  user: Authenticated | null = null;

  readonly #host: DialogueHost;
  #exchange: SaslExchange | null = null;

  constructor(host: DialogueHost) {
    this.#host = host;
  }

  /** The next line is a response and not a command. */
  get going(): boolean {
    return this.#exchange !== null;
  }

  /** AUTH, after all that is wrong about its place in the dialogue has been ruled out. */
  begin(argument: string): string | null {
    const [name = '', initial = null, ...more] = argument.split(/\s+/);
    const { service, client } = this.#host;
    const offered = service.mechanisms(client);
    const mechanism = offered.find((known) => known === name.toUpperCase());
    if (name === '' || more.length > 0) {
      return texts.authSyntax;
    }
    if (mechanism === undefined) {
      return this.#failed(name, `Invalid authentication mechanism: '${name}'`);
    }
    const exchange = new SaslExchange(mechanism);
    return this.#step(exchange, exchange.begin(initial), 'initial');
  }

  /** A line of the exchange. */
  respond(line: string): string | null {
    const exchange = this.#exchange;
    return exchange === null
      ? texts.authSyntax
      : this.#step(exchange, exchange.respond(line), 'continued');
  }

  /** The next line is a command again. */
  giveUp(): void {
    this.#exchange = null;
  }

  /** After STARTTLS nobody is authenticated (RFC 3207 section 4.2). */
  reset(): void {
    this.user = null;
    this.#exchange = null;
  }

  #step(exchange: SaslExchange, step: SaslStep, response: 'initial' | 'continued'): string | null {
    this.#exchange = null;
    if ('challenge' in step) {
      this.#exchange = exchange;
      return `334 ${step.challenge}\r\n`;
    }
    if ('credentials' in step) {
      return this.#decide(step.credentials);
    }
    const { mechanism } = exchange;
    if (step.refused === 'aborted') {
      this.#host.log.authAborted(mechanism);
      return texts.authAborted;
    }
    return this.#failed(
      mechanism,
      step.refused === 'base64' ? `Invalid base64 data in ${response} response` : unknownReason,
    );
  }

  #decide(credentials: Credentials | ExternalCredentials): string | null {
    const { mechanism, authzid } = credentials;
    const claimed = this.#claimed(credentials);
    let username = claimed;
    const take = (decision: AuthDecision): Reply | undefined => {
      username = isName(decision) ? decision.username : claimed;
      return toReply(decision, username);
    };
    return this.#host.consult({
      call: () => {
        const answer = this.#ask(credentials);
        return answer instanceof Promise ? answer.then(take) : take(answer);
      },
      done: (reply) => {
        if (reply === undefined || reply.code < 300) {
          this.user = { mechanism, username, authzid };
          return reply === undefined ? texts.authOk : formatReply(reply);
        }
        const text = reply === refusal ? unknownReason : reply.text;
        const standard = this.#failed(mechanism, text, claimed === '' ? undefined : claimed);
        return reply === refusal ? standard : formatReply(reply);
      },
      failed: texts.authTrouble,
      about: null,
    });
  }

  #ask(credentials: Credentials | ExternalCredentials): AuthAnswer {
    const { service, client } = this.#host;
    const { onAuth = nobody, onAuthExternal = nobody } = service.handlers;
    return credentials.mechanism === 'EXTERNAL'
      ? onAuthExternal(client, credentials)
      : onAuth(client, credentials);
  }

  /** Who the client says it is. A certificate that is not trusted says nothing, and whom it acts for is not who it is. */
  #claimed(credentials: Credentials | ExternalCredentials): string {
    return credentials.mechanism === 'EXTERNAL'
      ? (this.#host.client.tls?.peerSubject ?? '')
      : credentials.username;
  }

  #failed(mechanism: string, reason: string, username = '(unavailable)'): string {
    this.#host.log.authFailed(mechanism, reason, username);
    return texts.authFailed(reason);
  }
}

/** In Postfix's words: nobody has said why. */
const unknownReason = '(reason unavailable)';

const refusal: Reply = { code: 535, enhanced: '5.7.8', text: 'Error: authentication failed' };

const nobody = (): AuthDecision => false;

function isName(decision: AuthDecision): decision is { readonly username: string } {
  return typeof decision === 'object' && decision !== null && 'username' in decision;
}

/** True and a name become the default reply, false a refusal; what is none of these is a mistake. */
function toReply(decision: AuthDecision, username: string): Reply | undefined {
  if (decision === false) {
    return refusal;
  }
  if (decision !== true && (typeof decision !== 'object' || decision === null)) {
    throw mistake('onAuth has decided nothing', 'return true, false, a username or a reply');
  }
  const reply = decision === true || isName(decision) ? undefined : decision;
  if (
    (reply === undefined || reply.code < 300) &&
    (typeof username !== 'string' || username === '')
  ) {
    throw mistake('onAuth lets in somebody without a name', 'return { username }');
  }
  return reply;
}

function mistake(message: string, suggestion: string): TlsError {
  return new TlsError({ code: 'INVALID_ARGUMENT', message, suggestion });
}
