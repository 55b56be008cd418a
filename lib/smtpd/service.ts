/**
 * What all sessions of one listener share: settings, callbacks, log, TLS, prepared texts.
 */
import type { ResolvedSmtpd } from '../config/options.js';
import type { Logger } from '../log/logger.js';
import { type LogFlags, parseLoglevel, withUntrusted } from '../log/loglevel.js';
import type { NativeChains, NativeContext, StartTlsProps } from '../native.js';
import type { LookupTable } from '../maps/table.js';
import type { Extension } from '../smtp/envelope.js';
import { passwordMechanisms, type SaslMechanism } from '../smtp/sasl.js';
import type { ServerSessions } from '../session-cache/server-sessions.js';
import type { SniSource } from '../sni/source.js';
import { sessionSettings } from '../tls/context-props.js';
import { createServerContext, serverTlsProps } from '../tls/server-context.js';
import { type ServerTlsMode, serverTlsMode } from '../tls/levels.js';
import type { ConnectionCount } from './connection-count.js';
import type { SmtpdHandlers } from './handlers.js';
import { NetworkList } from './network-list.js';
import type { NewSessionRate } from './new-session-rate.js';
import type { ServiceTickets } from './tickets.js';
import type { SmtpdTables } from './tables.js';

export interface ServiceProps {
  readonly options: ResolvedSmtpd;
  /** What they are while the listener nears its limit. */
  readonly stressed: ResolvedSmtpd;
  readonly handlers: SmtpdHandlers;
  readonly logger: Required<Logger>;
  readonly wrappermode: boolean;
  /** Chains of server names, or null. */
  readonly sni: SniSource | null;
  readonly tables: SmtpdTables;
  /** As in master.cf. */
  readonly name: string;
  readonly sessions: ServerSessions | null;
  readonly tickets: ServiceTickets;
  readonly keyLogFile?: string | undefined;
  /** Shared by all listeners of one Smtpd. */
  readonly connections: ConnectionCount;
  readonly newSessions: NewSessionRate;
}

/** What an offer depends on. */
export interface OfferedTo {
  readonly tlsActive: boolean;
  /** The client has shown a certificate or a raw public key. */
  readonly hasCredential: boolean;
}

/** What differs between plaintext, TLS, and TLS with a credential of the client. */
interface Offer {
  readonly ehlo: string;
  readonly mechanisms: readonly SaslMechanism[];
  readonly extensions: ReadonlySet<Extension>;
  readonly commands: readonly string[];
}

export class Service {
  /** TLS sessions resume only where it is the same. */
  readonly name: string;
  /** Those under stress while that lasts; running sessions see the change. */
  options: ResolvedSmtpd;
  tlsProps: StartTlsProps;
  readonly tickets: ServiceTickets;
  readonly handlers: SmtpdHandlers;
  readonly logger: Required<Logger>;
  readonly connections: ConnectionCount;
  readonly newSessions: NewSessionRate;
  readonly mode: ServerTlsMode;
  /** Of clients that have none of their own. */
  readonly logFlags: LogFlags;
  greeting: string;
  /** STARTTLS is listed and possible, unless TLS is active. */
  readonly offersStarttls: boolean;
  readonly offersChunking: boolean;
  readonly sni: SniSource | null;
  /** The session cache, or null. */
  readonly sessions: ServerSessions | null;
  readonly relayClientcerts: LookupTable;
  /** Clients may have a loglevel of their own. */
  readonly looksUpLoglevels: boolean;
  /** Null: TLS is not in use, or the context was lost at run time. */
  context: NativeContext | null = null;

  /** Clients that may send bare LFs. */
  readonly bareNewlineExclusions: NetworkList;

  readonly #tables: SmtpdTables;
  readonly #keyLogFile: string | undefined;
  readonly #authOnly: boolean;
  readonly #discarded: ReadonlySet<string>;
  readonly #calm: ResolvedSmtpd;
  readonly #stressed: ResolvedSmtpd;
  readonly #plain: Offer;
  readonly #tls: Offer;
  /** Null: a credential makes no difference, so that nobody looks for one. */
  readonly #credential: Offer | null;

  constructor(props: ServiceProps) {
    const { options } = props;
    this.name = props.name;
    this.options = options;
    this.#calm = options;
    this.#stressed = props.stressed;
    this.handlers = props.handlers;
    this.logger = props.logger;
    this.connections = props.connections;
    this.newSessions = props.newSessions;
    this.sni = props.sni;
    this.sessions = props.sessions;
    this.#tables = props.tables;
    this.relayClientcerts = props.tables.relayClientcerts;
    this.mode = serverTlsMode({ ...options.tls, wrappermode: props.wrappermode });
    const flags = loglevel(options, props.logger);
    this.logFlags = this.mode.requireCert ? withUntrusted(flags) : flags;
    this.tickets = props.tickets;
    this.looksUpLoglevels = this.mode.use && props.tables.loglevels.configured;
    this.tlsProps = this.#sessionProps(options);
    this.#keyLogFile = props.keyLogFile;
    this.bareNewlineExclusions = new NetworkList(options.forbidBareNewlineExclusions);
    this.greeting = greeting(options);
    this.#authOnly = options.tls.authOnly || this.mode.enforce;
    this.#discarded = new Set(options.discardEhloKeywords.map((word) => word.toUpperCase()));
    this.offersStarttls = this.mode.use && !props.wrappermode && !this.#discarded.has('STARTTLS');
    this.offersChunking = !this.#discarded.has('CHUNKING');
    const passwords = (tls: boolean) => (this.#offersPasswords(tls) ? passwordMechanisms : []);
    this.#plain = this.#makeOffer(false, passwords(false));
    this.#tls = this.#makeOffer(true, passwords(true));
    this.#credential =
      this.authPossible && this.handlers.onAuthExternal !== undefined
        ? this.#makeOffer(true, [...passwords(true), 'EXTERNAL'])
        : null;
  }

  /** A TLS context with these chains, for {@link context}. @throws TlsError as {@link createServerContext} */
  makeContext(chains: NativeChains | null): NativeContext {
    const context = createServerContext(this.options.tls, {
      service: this.name,
      wrappermode: this.mode.wrappermode,
      chains,
      warn: (text) => this.logger.warn(text),
      sni: this.sni,
      sessions: this.sessions?.ask ?? null,
      tickets: this.tickets.keys,
      keyLogFile: this.#keyLogFile,
    });
    context.prepare(this.tlsProps);
    return context;
  }

  /** What `startTls` wants for a client with such a loglevel; null: what the context is prepared for. */
  tlsPropsFor(address: string, { trace, cache }: LogFlags): StartTlsProps | null {
    const { logFlags, tlsProps } = this;
    const excepted = this.tickets.exceptions.has(address);
    const usual = trace === logFlags.trace && cache === logFlags.cache;
    if (usual && !excepted) {
      return null;
    }
    return {
      ...tlsProps,
      ...(usual
        ? {}
        : {
            ...sessionSettings(this.options.tls, trace),
            noteTickets: cache,
            delayTickets: tlsProps.delayTickets,
          }),
      ...(excepted ? { tickets: false } : {}),
    };
  }

  /** Time for each wait, or, with deadlines, for the whole handshake; what the log is to tell. */
  #sessionProps({ starttlsTimeout, perRequestDeadline, tls }: ResolvedSmtpd): StartTlsProps {
    const { trace, cache } = this.logFlags;
    return serverTlsProps({
      timeout: starttlsTimeout,
      deadline: perRequestDeadline ? starttlsTimeout : 0,
      ...sessionSettings(tls, trace),
      tickets: this.tickets.given,
      noteTickets: cache,
      delayTickets: true, // a reply, or the greeting, follows
    });
  }

  get stress(): boolean {
    return this.options === this.#stressed;
  }

  set stress(stress: boolean) {
    this.options = stress ? this.#stressed : this.#calm;
    this.tlsProps = this.#sessionProps(this.options);
    this.context?.prepare(this.tlsProps);
    this.greeting = greeting(this.options);
  }

  /** What is logged about TLS with this client. */
  async logFlagsOf(name: string, address: string): Promise<LogFlags> {
    const flags = await this.#tables.loglevels.of(name, address, this.logFlags);
    return this.mode.requireCert ? withUntrusted(flags) : flags;
  }

  /** The whole reply to EHLO. */
  ehlo(client: OfferedTo): string {
    return this.#offer(client).ehlo;
  }

  /** Extensions whose parameters are accepted. */
  extensions(client: OfferedTo): ReadonlySet<Extension> {
    return this.#offer(client).extensions;
  }

  /** What HELP lists. */
  commands(client: OfferedTo): readonly string[] {
    return this.#offer(client).commands;
  }

  /** What AUTH takes. */
  mechanisms(client: OfferedTo): readonly SaslMechanism[] {
    return this.#offer(client).mechanisms;
  }

  /** AUTH is switched on, and there is somebody to ask about users. */
  get authPossible(): boolean {
    const { onAuth, onAuthExternal } = this.handlers;
    const asked = onAuth !== undefined || onAuthExternal !== undefined;
    return this.options.saslAuthEnable && asked && !this.#discarded.has('AUTH');
  }

  #offer(client: OfferedTo): Offer {
    if (!client.tlsActive) {
      return this.#plain;
    }
    return this.#credential !== null && client.hasCredential ? this.#credential : this.#tls;
  }

  /** Both mechanisms show the password, so `noplaintext` leaves none. */
  #offersPasswords(tls: boolean): boolean {
    const { saslSecurityOptions, saslTlsSecurityOptions } = this.options;
    const refused = (tls ? saslTlsSecurityOptions : saslSecurityOptions).includes('noplaintext');
    const possible = this.authPossible && this.handlers.onAuth !== undefined;
    return possible && !refused && (tls || !this.#authOnly);
  }

  #makeOffer(tls: boolean, mechanisms: readonly SaslMechanism[]): Offer {
    const keywords = this.#keywords(tls, mechanisms).filter(
      (line) => !this.#discarded.has(line.split(' ')[0] ?? ''),
    );
    const lines = [this.options.myhostname, ...keywords];
    const names = new Set(keywords.map((line) => line.split(' ')[0] ?? ''));
    return {
      mechanisms,
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
  #keywords(tls: boolean, mechanisms: readonly SaslMechanism[]): readonly string[] {
    const { messageSizeLimit } = this.options;
    return [
      'PIPELINING',
      messageSizeLimit > 0 ? `SIZE ${messageSizeLimit}` : 'SIZE',
      ...(this.options.disableVrfyCommand ? [] : ['VRFY']),
      ...(this.offersStarttls && !tls ? ['STARTTLS'] : []),
      ...(mechanisms.length > 0 ? [`AUTH ${mechanisms.join(' ')}`] : []),
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'DSN',
      ...(this.options.smtputf8Enable ? ['SMTPUTF8'] : []),
      'CHUNKING',
      ...(this.options.requiretlsEnable && tls ? ['REQUIRETLS'] : []), // RFC 8689 section 2: never in plaintext
    ];
  }
}

const withParameters: readonly Extension[] = ['SMTPUTF8', 'DSN', 'AUTH', 'REQUIRETLS'];

function greeting({ banner }: ResolvedSmtpd): string {
  return `220 ${banner}\r\n`;
}

function loglevel(options: ResolvedSmtpd, logger: Logger): LogFlags {
  const { flags, warning } = parseLoglevel(options.tls.loglevel, 'smtpd_tls_loglevel');
  if (warning !== null) {
    logger.warn(warning);
  }
  return flags;
}
