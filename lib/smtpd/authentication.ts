/**
 * AUTH (RFC 4954): the exchange of one session, and who it has authenticated.
 *
 * The engine knows PLAIN and LOGIN; whether a password is right a callback says. Nothing is offered
 * where there is no callback, nor in plaintext where TLS is mandatory or `smtpd_tls_auth_only` is set.
 */
import { TlsError } from '../errors.js';
import { formatReply, type Reply } from '../smtp/reply.js';
import { type Credentials, SaslExchange, type SaslStep, saslMechanisms } from '../smtp/sasl.js';
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
    const mechanism = saslMechanisms.find((known) => known === name.toUpperCase());
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

  #decide(credentials: Credentials): string | null {
    const { mechanism, username, authzid } = credentials;
    const { service, client } = this.#host;
    const { onAuth } = service.handlers;
    if (onAuth === undefined) {
      return texts.authDisabled;
    }
    return this.#host.consult({
      call: () => toReply(onAuth(client, credentials)),
      done: (reply) => {
        if (reply === undefined || reply.code < 300) {
          this.user = { mechanism, username, authzid };
          return reply === undefined ? texts.authOk : formatReply(reply);
        }
        const text = reply === refusal ? unknownReason : reply.text;
        const standard = this.#failed(mechanism, text, username);
        return reply === refusal ? standard : formatReply(reply);
      },
      failed: texts.authTrouble,
      about: null,
    });
  }

  #failed(mechanism: string, reason: string, username = '(unavailable)'): string {
    this.#host.log.authFailed(mechanism, reason, username);
    return texts.authFailed(reason);
  }
}

/** In Postfix's words: nobody has said why. */
const unknownReason = '(reason unavailable)';

const refusal: Reply = { code: 535, enhanced: '5.7.8', text: 'Error: authentication failed' };

/** True becomes the default reply, false a refusal; what is neither these nor a reply is a mistake. */
function toReply(answer: AuthAnswer): Reply | undefined | Promise<Reply | undefined> {
  return answer instanceof Promise ? answer.then(decision) : decision(answer);
}

function decision(value: AuthDecision): Reply | undefined {
  if (value === true) {
    return undefined;
  }
  if (value === false) {
    return refusal;
  }
  if (typeof value !== 'object' || value === null) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: 'onAuth has decided nothing',
      suggestion: 'return true, false or a reply',
    });
  }
  return value;
}
