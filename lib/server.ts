/**
 * Smtpd: Postfix's smtpd(8) as a class. Listeners, and a session for each client.
 *
 * One `Smtpd` is one service with one set of parameters; it may listen in several places, with TLS
 * from the first byte (`wrappermode`) in some of them.
 */
import { resolveSmtpd, resolveStressedSmtpd } from './config/check.js';
import type { ResolvedSmtpd, SmtpdParameters, SmtpdTlsOptions } from './config/options.js';
import { chainReport } from './log/certificates.js';
import { engineLogger, type Logger } from './log/logger.js';
import type { NativeChains, OwnCertificate } from './native.js';
import { ConnectionCount } from './smtpd/connection-count.js';
import { ClientView } from './smtpd/client-view.js';
import {
  checkHandlers,
  handlerNames,
  type SmtpdHandlers,
  type SmtpdSession,
} from './smtpd/handlers.js';
import { Listener, type SmtpdListener, type SmtpdListenOptions } from './smtpd/listener.js';
import { NewSessionRate } from './smtpd/new-session-rate.js';
import { receivedHeader } from './smtpd/received.js';
import { Service } from './smtpd/service.js';
import type { SessionStore } from './session-cache/store.js';
import type { Session } from './smtpd/session.js';
import { SessionCaches } from './smtpd/session-caches.js';
import { SessionList } from './smtpd/session-list.js';
import { SmtpdTables } from './smtpd/tables.js';
import { noTickets, SmtpdTickets, type TicketOptions, ticketOptionNames } from './smtpd/tickets.js';
import { SniKeeper } from './sni/keeper.js';
import { type SniOptions, sniOptionNames } from './sni/options.js';
import { ChainKeeper } from './tls/chain-keeper.js';
import {
  type CertificateOptions,
  certificateOptionNames,
  certificateOptions,
} from './tls/chains.js';
import { serverTlsMode } from './tls/levels.js';
import { ensureLibrary } from './tls/library.js';
import { checkKeyLogOption } from './tls/probes.js';

export interface SmtpdOptions
  extends Omit<SmtpdParameters, 'tls'>,
    SmtpdHandlers,
    CertificateOptions,
    TicketOptions {
  readonly tls?: SmtpdTlsOptions & SniOptions;
  /** Default: standard error. */
  readonly logger?: Logger;
  /**
   * Parameters that are others while a listener nears its `connectionLimit`, besides those whose default is
   * (time limits of 10 s, deadlines, few errors).
   */
  readonly underStress?: Omit<SmtpdParameters, 'tls'>;
  /**
   * File that gets the secrets of all TLS sessions in the NSS key log format, for who has to decrypt a capture; made
   * with mode 0600, appended to. A warning tells of it. Default: none, whatever SSLKEYLOGFILE says.
   */
  readonly keyLogFile?: string;
  /**
   * Keeps TLS sessions of clients without tickets, in the place of `tls.sessionCacheDatabase`; it may serve several
   * processes. It stays open when the Smtpd closes.
   */
  readonly sessionStore?: SessionStore;
}

const ownFields: readonly string[] = [
  ...handlerNames,
  ...['logger', 'underStress', 'keyLogFile', 'sessionStore'],
  ...ticketOptionNames,
  ...sniOptionNames,
  ...certificateOptionNames,
];

export class Smtpd {
  readonly #options: ResolvedSmtpd;
  readonly #stressed: ResolvedSmtpd;
  readonly #handlers: SmtpdHandlers;
  readonly #logger: Required<Logger>;
  readonly #keyLogFile: string | undefined;
  readonly #listeners = new Set<Listener>();
  readonly #sessions = new SessionList<Session>();
  readonly #connections: ConnectionCount;
  readonly #newSessions: NewSessionRate;
  readonly #sni: SniKeeper;
  readonly #sessionCaches: SessionCaches;
  readonly #tables: SmtpdTables;
  readonly #keeper: ChainKeeper;
  readonly #tickets: SmtpdTickets;
  /** {@link withdrawCertificates}, and no others since. */
  #withdrawn = false;
  #onEmpty: (() => void)[] = [];

  /** @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`, `INVALID_ARGUMENT` */
  constructor(options: SmtpdOptions) {
    checkHandlers(options);
    this.#options = resolveSmtpd(options, ownFields);
    this.#stressed = resolveStressedSmtpd({ ...options, ...options.underStress }, ownFields);
    const { clientConnectionCountLimit, clientEventLimitExceptions } = this.#options;
    this.#connections = new ConnectionCount(clientConnectionCountLimit, clientEventLimitExceptions);
    this.#newSessions = NewSessionRate.of(this.#options);
    this.#handlers = options;
    this.#logger = engineLogger(options.logger, 'smtpd');
    this.#sni = new SniKeeper(this.#options.tls, options.tls, this.#logger);
    this.#sessionCaches = new SessionCaches(this.#options.tls, this.#logger, options);
    this.#tables = new SmtpdTables(this.#options, this.#logger);
    this.#tickets = new SmtpdTickets(options, this.#options.tls, (text) => this.#logger.warn(text));
    this.#keyLogFile = checkKeyLogOption(options.keyLogFile);
    this.#keeper = new ChainKeeper({
      engine: 'smtpd',
      files: this.#options.tls,
      care: certificateOptions(options),
      report: chainReport('smtpd', this.#logger),
      prepare: (chains) => this.#renew(chains),
    });
  }

  /** Clients that are connected. */
  get connections(): number {
    return this.#sessions.size;
  }

  /** The certificates in service, their issuers among them; empty before the first listener with TLS. */
  get certificates(): readonly OwnCertificate[] {
    return this.#keeper.certificates;
  }

  /**
   * Loads keys and certificates anew, with them the files of CAs, and the tables of server names, of
   * `relayClientcerts` and of `tls.loglevelMaps`. New connections get the new ones on all listeners, those that there
   * are end on the old ones. For certificates it happens by itself when the files change, see `chainFilesCheckInterval`.
   *
   * Certificates and tables do not depend on each other: what cannot be read leaves the former of its kind in service, and
   * the log says so.
   *
   * @returns what is in service now; empty when the options name no file
   * @throws TlsError (rejects) `CHAIN_*`, `CA_LOAD`, `LOOKUP_TABLE`: the first that could not be read
   */
  async reload(): Promise<readonly OwnCertificate[]> {
    ensureLibrary(this.#options.tls);
    const outcomes = await Promise.allSettled([
      (async () => this.#keeper.reload())(),
      this.#sni.reload(),
      this.#tables.reload(),
    ]);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) {
      throw failure.reason;
    }
    return this.certificates;
  }

  /**
   * Begins to listen.
   *
   * @throws TlsError (rejects) `LISTEN_FAILED`; when TLS is wanted and its certificates cannot be
   *   used, `NO_SERVER_CERTS` or `CHAIN_*`: rather no service than one without TLS; `LOOKUP_TABLE`, `KEYLOG_FILE`,
   *   `WRAPPING_KEY`
   */
  async listen(where: SmtpdListenOptions = {}): Promise<SmtpdListener> {
    const wrappermode = where.wrappermode ?? this.#options.tls.wrappermode;
    const { use } = serverTlsMode({ ...this.#options.tls, wrappermode });
    const name = where.service ?? (wrappermode ? 'submissions' : 'smtpd');
    if (use) {
      await this.#tables.open();
    }
    const service = new Service({
      options: this.#options,
      stressed: this.#stressed,
      handlers: this.#handlers,
      logger: this.#logger,
      connections: this.#connections,
      newSessions: this.#newSessions,
      keyLogFile: this.#keyLogFile,
      wrappermode,
      name,
      sessions: use ? await this.#sessionCaches.sessionsOf(name) : null,
      sni: use ? await this.#sni.open() : null,
      tables: this.#tables,
      tickets: use ? await this.#tickets.open(where.tickets) : noTickets,
    });
    if (service.mode.use) {
      ensureLibrary(this.#options.tls);
      service.context = service.makeContext(this.#keeper.chains());
    }
    const listener = new Listener(service, where, {
      opened: (session) => this.#sessions.add(session),
      ended: (session) => this.#ended(session),
      closed: (gone) => this.#closed(gone),
    });
    if (this.#withdrawn) {
      listener.withdrawContext();
    }
    this.#listeners.add(listener);
    if (service.mode.use) {
      this.#keeper.start();
    }
    return listener;
  }

  /**
   * Takes the certificates out of service, because a key has come into wrong hands for example: from now on STARTTLS
   * is answered with a 454, and a client of a wrappermode listener is dropped. STARTTLS is still offered, as Postfix
   * does, so that mail waits for new certificates instead of going without TLS. What is in TLS already goes on.
   */
  withdrawCertificates(): void {
    this.#logger.warn('certificates withdrawn: no TLS until there are new ones');
    this.#withdrawn = true;
    for (const listener of this.#listeners) {
      listener.withdrawContext();
    }
  }

  /**
   * Forgets what was found for a server name, or for all: the next client that asks for it makes `tls.sni` and the
   * tables be asked again.
   */
  invalidateSni(name: string | null = null): void {
    this.#sni.invalidate(name);
  }

  /**
   * Opens the tables of `tls.serverSniMaps` anew, and forgets what was found in the old ones. New handshakes get what
   * is in the new ones.
   *
   * @throws TlsError (rejects) `LOOKUP_TABLE`: one of them cannot be used, as after a change of user; the former ones
   *   stay in use, and the log says so
   */
  async reloadSni(): Promise<void> {
    await this.#sni.reload();
  }

  /**
   * The Received: header for a session's message, ready to be put before its content; what it tells
   * of TLS and client is up to `tls.receivedHeader` and `hideClientSession`.
   */
  receivedHeader(session: SmtpdSession, date: Date = new Date()): string {
    const { myhostname, mailName, hideClientSession, tls } = this.#options;
    return receivedHeader({
      ...{ session, myhostname, mailName, hideClientSession, date },
      tls: tls.receivedHeader,
      askCcert: tls.askCcert,
      claims: session instanceof ClientView ? session.claims : null,
      fingerprintDigest: tls.fingerprintDigest,
    });
  }

  /**
   * Stops listening and ends the sessions: a message that is being received is finished, then the
   * client gets a 421. Resolves when the last client has gone.
   *
   * @param force true ends all sessions at once
   */
  async close(force = false): Promise<void> {
    for (const listener of [...this.#listeners]) {
      listener.close();
    }
    for (const session of [...this.#sessions]) {
      if (force) {
        session.destroy();
      } else {
        session.shutdown();
      }
    }
    await this.#lastGone();
  }

  /** Stops listening, and lets the sessions come to their own end. Resolves when the last client has gone. */
  async retire(): Promise<void> {
    for (const listener of [...this.#listeners]) {
      listener.close();
    }
    await this.#lastGone();
  }

  async #lastGone(): Promise<void> {
    if (this.#sessions.size > 0) {
      await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
    }
    this.#sni.close();
    this.#tables.close();
    this.#tickets.close();
    await this.#sessionCaches.close();
  }

  #renew(chains: NativeChains | null): () => void {
    const commits = [...this.#listeners]
      .filter((listener) => listener.usesTls)
      .map((listener) => listener.renew(chains));
    return () => {
      this.#withdrawn = false;
      for (const commit of commits) {
        commit();
      }
    };
  }

  #closed(listener: Listener): void {
    this.#listeners.delete(listener);
    if (![...this.#listeners].some(({ usesTls }) => usesTls)) {
      this.#keeper.stop();
    }
  }

  #ended(session: Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) {
      const waiting = this.#onEmpty;
      this.#onEmpty = [];
      for (const resolve of waiting) {
        resolve();
      }
    }
  }
}
