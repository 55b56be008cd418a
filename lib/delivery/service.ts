/**
 * What all deliveries of one Smtp share: settings, log, TLS contexts and properties.
 */
import type { ResolvedSmtp } from '../config/options.js';
import { TlsError } from '../errors.js';
import { chainReport } from '../log/certificates.js';
import { libraryProblems } from '../log/handshake.js';
import type { Logger } from '../log/logger.js';
import { type LogFlags, parseLoglevel } from '../log/loglevel.js';
import type { NativeChains, NativeContext, OwnCertificate, StartTlsProps } from '../native.js';
import { ChainKeeper } from '../tls/chain-keeper.js';
import type { CertificateOptions } from '../tls/chains.js';
import { clientTlsProps, createClientContext } from '../tls/contexts.js';
import { checkClientLevel, type TlsLevel } from '../tls/levels.js';
import { ensureLibrary } from '../tls/library.js';
import { checkKeyLogFile } from '../tls/probes.js';
import type { SessionStore } from '../session-cache/store.js';
import type { TlsSnapshot } from '../snapshot.js';
import { openTlsSessions, type TlsSessions } from './tls-sessions.js';

export interface ServiceProps {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  readonly keyLogFile?: string | undefined;
  readonly care: Required<CertificateOptions>;
  /** In the place of `smtp_tls_session_cache_database`. */
  readonly sessionStore: SessionStore | null;
}

export class DeliveryService {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  readonly logFlags: LogFlags;
  readonly level: TlsLevel;
  /** Null without a session cache. */
  readonly sessions: TlsSessions | null;

  readonly #keyLogFile: string | undefined;
  readonly #keeper: ChainKeeper;
  #context: NativeContext | null = null;
  #contextTried = false;
  #tlsProps: { readonly key: string; readonly props: StartTlsProps | null } | null = null;

  /** @throws TlsError `INVALID_PARAMETER`, `KEYLOG_FILE` */
  constructor(props: ServiceProps) {
    const { options, logger } = props;
    this.options = options;
    this.logger = logger;
    this.level = checkClientLevel(options.tls.securityLevel);
    this.#keeper = new ChainKeeper({
      engine: 'smtp',
      files: options.tls,
      care: props.care,
      report: chainReport('smtp', logger),
      prepare: (chains) => {
        const context = this.#makeContext(chains);
        return () => {
          this.#contextTried = true;
          this.#context = context;
        };
      },
    });
    const { flags, warning } = parseLoglevel(options.tls.loglevel, 'smtp_tls_loglevel');
    this.logFlags = flags;
    if (warning !== null) {
      logger.warn(warning);
    }
    this.sessions = openTlsSessions({
      ...{ options, logger, store: props.sessionStore, verbose: flags.cache },
      certificates: () => this.#keeper.certificates,
    });
    this.#keyLogFile = props.keyLogFile;
    if (props.keyLogFile !== undefined) {
      ensureLibrary(options.tls);
      checkKeyLogFile(props.keyLogFile); // later a failure would only switch TLS off
    }
  }

  /** Made with the first delivery that needs it; null when that fails, which is logged once. */
  get context(): NativeContext | null {
    if (!this.#contextTried) {
      this.#contextTried = true;
      try {
        ensureLibrary(this.options.tls);
        this.#context = this.#makeContext(this.#keeper.chains());
      } catch (error) {
        this.#warnDisabled(error);
      }
    }
    this.#keeper.look();
    return this.#context;
  }

  /** The client certificates in use, their issuers among them. */
  get certificates(): readonly OwnCertificate[] {
    return this.#keeper.certificates;
  }

  /** Loads keys and certificates anew; where that fails, the former ones stay. @throws TlsError */
  reload(): readonly OwnCertificate[] {
    ensureLibrary(this.options.tls);
    return this.#keeper.reload();
  }

  /** What `startTls` wants for a session; null when the settings cannot be used. */
  tlsProps(level: TlsLevel, host: string): StartTlsProps | null {
    const key = `${level} ${host}`;
    if (this.#tlsProps?.key !== key) {
      this.#tlsProps = { key, props: this.#makeTlsProps(level, host) };
    }
    return this.#tlsProps.props;
  }

  /** Properties that an AUTH mechanism must not have on such a connection. */
  securityOptions(tls: TlsSnapshot | null): readonly string[] {
    const { saslSecurityOptions, saslTlsSecurityOptions, saslTlsVerifiedSecurityOptions } =
      this.options;
    if (tls === null) {
      return saslSecurityOptions;
    }
    return tls.status === 'Verified' ? saslTlsVerifiedSecurityOptions : saslTlsSecurityOptions;
  }

  #makeContext(chains: NativeChains | null): NativeContext {
    return createClientContext(this.options.tls, {
      chains,
      warn: (text) => this.logger.warn(text),
      keyLogFile: this.#keyLogFile,
    });
  }

  #makeTlsProps(level: TlsLevel, host: string): StartTlsProps | null {
    try {
      const timeout = this.options.starttlsTimeout;
      return clientTlsProps(this.options.tls, {
        ...{ level, host, nexthop: host, timeout },
        trace: this.logFlags.trace,
        warn: (text) => this.logger.warn(text),
      });
    } catch (error) {
      this.#warnDisabled(error);
      return null;
    }
  }

  #warnDisabled(error: unknown): void {
    if (!(error instanceof TlsError)) {
      throw error;
    }
    if (error.code.startsWith('CHAIN_')) {
      return; // all has been said while the files were read
    }
    this.logger.warn(`${error.message}: disabling TLS support`);
    for (const line of libraryProblems(error)) {
      this.logger.warn(line.text);
    }
  }
}
