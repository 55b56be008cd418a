/**
 * What all deliveries of one Smtp share: settings, log, TLS contexts and properties.
 */
import type { ResolvedSmtp } from '../config/options.js';
import { TlsError } from '../errors.js';
import { chainReport } from '../log/certificates.js';
import { libraryProblems } from '../log/handshake.js';
import type { Logger } from '../log/logger.js';
import { type LogFlags, parseLoglevel } from '../log/loglevel.js';
import { PeerLoglevels } from '../log/loglevel-maps.js';
import type { NativeChains, NativeContext, OwnCertificate, StartTlsProps } from '../native.js';
import { ChainKeeper } from '../tls/chain-keeper.js';
import type { CertificateOptions } from '../tls/chains.js';
import { clientTlsProps, createClientContext } from '../tls/contexts.js';
import { checkClientLevel, type TlsLevel } from '../tls/levels.js';
import { ensureLibrary } from '../tls/library.js';
import { checkKeyLogFile } from '../tls/probes.js';
import type { TlsSnapshot } from '../snapshot.js';

export interface ServiceProps {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  readonly keyLogFile?: string | undefined;
  readonly care: Required<CertificateOptions>;
}

export class DeliveryService {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  /** Of servers that have none of their own. */
  readonly logFlags: LogFlags;
  readonly level: TlsLevel;

  readonly #loglevels: PeerLoglevels;
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
    this.#loglevels = new PeerLoglevels({
      parameter: 'smtp_tls_loglevel_maps',
      specs: options.tls.loglevelMaps,
      logger,
      lazy: true,
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

  /** Loads keys, certificates and tables anew; where that fails, the former ones stay. @throws TlsError (rejects) */
  async reload(): Promise<readonly OwnCertificate[]> {
    ensureLibrary(this.options.tls);
    const [certificates, tables] = await Promise.allSettled([
      (async () => this.#keeper.reload())(),
      this.#loglevels.reload(),
    ]);
    for (const outcome of [certificates, tables]) {
      if (outcome.status === 'rejected') {
        throw outcome.reason;
      }
    }
    return this.certificates;
  }

  /** What is logged about TLS with this server. */
  async logFlagsOf(host: string, address: string): Promise<LogFlags> {
    return this.#loglevels.of(host, address, this.logFlags);
  }

  /** What `startTls` wants for a session; null when the settings cannot be used. */
  tlsProps(level: TlsLevel, host: string, { trace }: LogFlags): StartTlsProps | null {
    const key = `${level} ${trace} ${host}`;
    if (this.#tlsProps?.key !== key) {
      this.#tlsProps = { key, props: this.#makeTlsProps(level, host, trace) };
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

  #makeTlsProps(level: TlsLevel, host: string, trace: boolean): StartTlsProps | null {
    try {
      const timeout = this.options.starttlsTimeout;
      return clientTlsProps(this.options.tls, {
        ...{ level, host, nexthop: host, timeout },
        trace,
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
