/**
 * What all deliveries of one Smtp share: settings, log, TLS contexts and properties.
 */
import type { ResolvedSmtp } from '../config/options.js';
import { TlsError } from '../errors.js';
import { libraryProblems } from '../log/handshake.js';
import type { Logger } from '../log/logger.js';
import { type LogFlags, parseLoglevel } from '../log/loglevel.js';
import type { NativeContext, StartTlsProps } from '../native.js';
import { clientTlsProps, createClientContext } from '../tls/contexts.js';
import { checkClientLevel, type TlsLevel } from '../tls/levels.js';
import { ensureLibrary } from '../tls/library.js';
import { checkKeyLogFile } from '../tls/probes.js';
import type { TlsSnapshot } from '../snapshot.js';

export interface ServiceProps {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  readonly keyLogFile?: string | undefined;
}

export class DeliveryService {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  readonly logFlags: LogFlags;
  readonly level: TlsLevel;

  readonly #keyLogFile: string | undefined;
  #context: NativeContext | null = null;
  #contextTried = false;
  #tlsProps: { readonly key: string; readonly props: StartTlsProps | null } | null = null;

  /** @throws TlsError `INVALID_PARAMETER`, `KEYLOG_FILE` */
  constructor(props: ServiceProps) {
    const { options, logger } = props;
    this.options = options;
    this.logger = logger;
    this.level = checkClientLevel(options.tls.securityLevel);
    const { flags, warning } = parseLoglevel(options.tls.loglevel, 'smtp_tls_loglevel');
    this.logFlags = flags;
    if (warning !== null) {
      logger.warn(warning);
    }
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
        this.#context = createClientContext(this.options.tls, {
          warn: (text) => this.logger.warn(text),
          keyLogFile: this.#keyLogFile,
        });
      } catch (error) {
        this.#warnDisabled(error);
      }
    }
    return this.#context;
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
    this.logger.warn(`${error.message}: disabling TLS support`);
    for (const line of libraryProblems(error)) {
      this.logger.warn(line.text);
    }
  }
}
