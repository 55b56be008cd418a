/**
 * What all sessions of one listener share: settings, callbacks, log, TLS, prepared texts.
 */
import type { ResolvedSmtpd } from '../config/options.js';
import type { Logger } from '../log/logger.js';
import { type LogFlags, parseLoglevel } from '../log/loglevel.js';
import type { NativeChains, NativeContext, StartTlsProps } from '../native.js';
import type { Extension } from '../smtp/envelope.js';
import { saslMechanisms } from '../smtp/sasl.js';
import { createServerContext, serverTlsProps } from '../tls/contexts.js';
import { type ServerTlsMode, serverTlsMode } from '../tls/levels.js';
import type { ConnectionCount } from './connection-count.js';
import type { SmtpdHandlers } from './handlers.js';
import { NetworkList } from './network-list.js';
import type { NewSessionRate } from './new-session-rate.js';

export interface ServiceProps {
  readonly options: ResolvedSmtpd;
  /** What they are while the listener nears its limit. */
  readonly stressed: ResolvedSmtpd;
  readonly handlers: SmtpdHandlers;
  readonly logger: Required<Logger>;
  readonly wrappermode: boolean;
  /** Shared by all listeners of one Smtpd. */
  readonly connections: ConnectionCount;
  readonly newSessions: NewSessionRate;
}

/** What differs between plaintext and TLS. */
interface Offer {
  readonly ehlo: string;
  readonly extensions: ReadonlySet<Extension>;
  readonly commands: readonly string[];
}

export class Service {
  /** Those under stress while that lasts; running sessions see the change. */
  options: ResolvedSmtpd;
  tlsProps: StartTlsProps;
  readonly handlers: SmtpdHandlers;
  readonly logger: Required<Logger>;
  readonly connections: ConnectionCount;
  readonly newSessions: NewSessionRate;
  readonly mode: ServerTlsMode;
  readonly logFlags: LogFlags;
  greeting: string;
  /** STARTTLS is listed and possible, unless TLS is active. */
  readonly offersStarttls: boolean;
  readonly offersChunking: boolean;
  /** Null: TLS is not in use, or the context was lost at run time. */
  context: NativeContext | null = null;

  /** Clients that may send bare LFs. */
  readonly bareNewlineExclusions: NetworkList;

  readonly #authOnly: boolean;
  readonly #discarded: ReadonlySet<string>;
  readonly #calm: ResolvedSmtpd;
  readonly #stressed: ResolvedSmtpd;
  readonly #plain: Offer;
  readonly #tls: Offer;

  constructor(props: ServiceProps) {
    const { options } = props;
    this.options = options;
    this.#calm = options;
    this.#stressed = props.stressed;
    this.handlers = props.handlers;
    this.logger = props.logger;
    this.connections = props.connections;
    this.newSessions = props.newSessions;
    this.mode = serverTlsMode({ ...options.tls, wrappermode: props.wrappermode });
    this.logFlags = loglevel(options, props.logger);
    this.tlsProps = handshakeLimits(options);
    this.bareNewlineExclusions = new NetworkList(options.forbidBareNewlineExclusions);
    this.greeting = greeting(options);
    this.#authOnly = options.tls.authOnly || this.mode.enforce;
    this.#discarded = new Set(options.discardEhloKeywords.map((word) => word.toUpperCase()));
    this.offersStarttls = this.mode.use && !props.wrappermode && !this.#discarded.has('STARTTLS');
    this.offersChunking = !this.#discarded.has('CHUNKING');
    this.#plain = this.#makeOffer(false);
    this.#tls = this.#makeOffer(true);
  }

  /** A TLS context with these chains, for {@link context}. @throws TlsError as {@link createServerContext} */
  makeContext(chains: NativeChains | null): NativeContext {
    return createServerContext(this.options.tls, {
      service: 'smtpd',
      wrappermode: this.mode.wrappermode,
      chains,
      warn: (text) => this.logger.warn(text),
    });
  }

  get stress(): boolean {
    return this.options === this.#stressed;
  }

  set stress(stress: boolean) {
    this.options = stress ? this.#stressed : this.#calm;
    this.tlsProps = handshakeLimits(this.options);
    this.greeting = greeting(this.options);
  }

  /** The whole reply to EHLO. */
  ehlo(tls: boolean): string {
    return tls ? this.#tls.ehlo : this.#plain.ehlo;
  }

  /** Extensions whose parameters are accepted. */
  extensions(tls: boolean): ReadonlySet<Extension> {
    return tls ? this.#tls.extensions : this.#plain.extensions;
  }

  /** What HELP lists. */
  commands(tls: boolean): readonly string[] {
    return tls ? this.#tls.commands : this.#plain.commands;
  }

  /** AUTH is switched on, and there is somebody to ask about passwords. */
  get authPossible(): boolean {
    const { saslAuthEnable } = this.options;
    return saslAuthEnable && this.handlers.onAuth !== undefined && !this.#discarded.has('AUTH');
  }

  /** Both mechanisms show the password, so `noplaintext` leaves none. */
  offersAuth(tls: boolean): boolean {
    const { saslSecurityOptions, saslTlsSecurityOptions } = this.options;
    const refused = (tls ? saslTlsSecurityOptions : saslSecurityOptions).includes('noplaintext');
    return this.authPossible && !refused && (tls || !this.#authOnly);
  }

  #makeOffer(tls: boolean): Offer {
    const keywords = this.#keywords(tls).filter(
      (line) => !this.#discarded.has(line.split(' ')[0] ?? ''),
    );
    const lines = [this.options.myhostname, ...keywords];
    const names = new Set(keywords.map((line) => line.split(' ')[0] ?? ''));
    return {
      ehlo: lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}\r\n`).join(''),
      extensions: new Set(withParameters.filter((name) => names.has(name))),
      commands: [
        ...(names.has('AUTH') ? ['AUTH'] : []),
        ...(this.offersChunking ? ['BDAT'] : []),
        ...['DATA', 'EHLO', 'HELO', 'HELP', 'MAIL', 'NOOP', 'QUIT', 'RCPT', 'RSET'],
        ...(names.has('STARTTLS') ? ['STARTTLS'] : []),
        ...(this.options.disableVrfyCommand ? [] : ['VRFY']),
      ],
    };
  }

  /** In the order of Postfix. */
  #keywords(tls: boolean): readonly string[] {
    const { messageSizeLimit } = this.options;
    return [
      'PIPELINING',
      messageSizeLimit > 0 ? `SIZE ${messageSizeLimit}` : 'SIZE',
      ...(this.options.disableVrfyCommand ? [] : ['VRFY']),
      ...(this.offersStarttls && !tls ? ['STARTTLS'] : []),
      ...(this.offersAuth(tls) ? [`AUTH ${saslMechanisms.join(' ')}`] : []),
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'DSN',
      ...(this.options.smtputf8Enable ? ['SMTPUTF8'] : []),
      'CHUNKING',
    ];
  }
}

const withParameters: readonly Extension[] = ['SIZE', '8BITMIME', 'SMTPUTF8', 'DSN', 'AUTH'];

function greeting({ banner }: ResolvedSmtpd): string {
  return `220 ${banner}\r\n`;
}

/** Time for each wait, or, with deadlines, for the whole handshake. */
function handshakeLimits({ starttlsTimeout, perRequestDeadline }: ResolvedSmtpd): StartTlsProps {
  return serverTlsProps({
    timeout: starttlsTimeout,
    deadline: perRequestDeadline ? starttlsTimeout : 0,
  });
}

function loglevel(options: ResolvedSmtpd, logger: Logger): LogFlags {
  const { flags, warning } = parseLoglevel(options.tls.loglevel, 'smtpd_tls_loglevel');
  if (warning !== null) {
    logger.warn(warning);
  }
  return flags;
}
