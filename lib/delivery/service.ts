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
import type { HostPolicy } from '../policy/policy.js';
import { createClientContext } from '../tls/client-context.js';
import { sessionSettings } from '../tls/context-props.js';
import { ensureLibrary } from '../tls/library.js';
import { checkKeyLogFile } from '../tls/probes.js';
import type { SessionStore } from '../session-cache/store.js';
import { helloGroups, type HelloKind, helloKinds } from '../tls/hello-groups.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { MtaSts } from '../sts/index.js';
import type { HostFinder } from './destination.js';
import { HelloMemory } from './hello-memory.js';
import type { HostPolicies } from './host-policy.js';
import { peerTlsProps } from './peer.js';
import { RequiretlsPolicies } from './requiretls.js';
import { SharedConnections } from './shared-connections.js';
import { openTlsSessions, type TlsSessions } from './tls-sessions.js';
import type { TlsrptReporting } from './tlsrpt.js';

export interface ServiceProps {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  readonly keyLogFile?: string | undefined;
  readonly care: Required<CertificateOptions>;
  readonly finder: HostFinder;
  readonly policies: HostPolicies;
  readonly tlsrpt: TlsrptReporting;
  readonly sts: MtaSts | null;
  /** In the place of `smtp_tls_session_cache_database`. */
  readonly sessionStore: SessionStore | null;
  /** UNIX socket of a tlsproxy; null: there is none. */
  readonly tlsproxy?: string | null;
}

export class DeliveryService {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  /** Of servers that have none of their own. */
  readonly logFlags: LogFlags;
  readonly finder: HostFinder;
  readonly policies: HostPolicies;
  readonly requiretls: RequiretlsPolicies;
  readonly tlsrpt: TlsrptReporting;
  readonly sts: MtaSts | null;
  /** Null without a session cache. */
  readonly sessions: TlsSessions | null;
  readonly hellos: HelloMemory;
  /** Connections that other processes use, too; null: each process has its own. */
  readonly shared: SharedConnections | null;

  readonly #loglevels: PeerLoglevels;
  readonly #keyLogFile: string | undefined;
  readonly #keeper: ChainKeeper;
  #context: NativeContext | null = null;
  #contextTried = false;
  #chains: NativeChains | null = null;
  /** For servers that choke on the usual ClientHello. */
  readonly #smaller = new Map<HelloKind, NativeContext>();
  /** The first ones without a match of their own: those of the usual policy. */
  readonly #prepared = new WeakMap<NativeContext, StartTlsProps>();
  readonly #tlsProps = new WeakMap<HostPolicy, StartTlsProps | null>();

  /** @throws TlsError `INVALID_PARAMETER`, `KEYLOG_FILE` */
  constructor(props: ServiceProps) {
    const { options, logger } = props;
    this.options = options;
    this.logger = logger;
    this.finder = props.finder;
    this.policies = props.policies;
    this.requiretls = new RequiretlsPolicies(options, logger);
    this.tlsrpt = props.tlsrpt;
    this.sts = props.sts;
    this.hellos = new HelloMemory(
      helloKinds.filter((kind) => kind === 'usual' || helloGroups(options.tls, kind) !== null),
    );
    this.#keeper = new ChainKeeper({
      engine: 'smtp',
      files: options.tls,
      care: props.care,
      report: chainReport('smtp', logger),
      prepare: (chains) => {
        const context = this.#makeContext(chains);
        return () => {
          this.#contextTried = true;
          this.#use(context, chains);
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
    this.sessions = openTlsSessions({
      ...{ options, logger, store: props.sessionStore, verbose: flags.cache },
      certificates: () => this.#keeper.certificates,
    });
    const { tlsproxy: path = null } = props;
    const certificates = (): readonly OwnCertificate[] =>
      this.context === null ? [] : this.#keeper.certificates; // read with the context
    this.shared =
      path === null ? null : new SharedConnections({ path, options, logger, certificates });
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
        const chains = this.#keeper.chains();
        this.#use(this.#makeContext(chains), chains);
      } catch (error) {
        this.#warnDisabled(error);
      }
    }
    this.#keeper.look();
    return this.#context;
  }

  /** The context for a kind of ClientHello; the usual one where that cannot be made any more, which is logged. */
  contextFor(kind: HelloKind): NativeContext | null {
    const { context } = this;
    const groups =
      kind === 'usual' || context === null ? null : helloGroups(this.options.tls, kind);
    if (groups === null) {
      return context;
    }
    try {
      const made = this.#smaller.get(kind) ?? this.#makeContext(this.#chains, groups);
      this.#smaller.set(kind, made);
      return made;
    } catch (error) {
      this.#warn(error, 'keeping the usual ClientHello');
      return context;
    }
  }

  /** The client certificates in use, their issuers among them. */
  get certificates(): readonly OwnCertificate[] {
    return this.#keeper.certificates;
  }

  /** Loads keys, certificates and tables anew; where that fails, the former ones stay. @throws TlsError (rejects) */
  async reload(): Promise<readonly OwnCertificate[]> {
    ensureLibrary(this.options.tls);
    const outcomes = await Promise.allSettled([
      (async () => this.#keeper.reload())(),
      this.policies.reload(),
      this.requiretls.reload(),
      this.#loglevels.reload(),
    ]);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) {
      throw failure.reason;
    }
    return this.certificates;
  }

  /** Closes the tables; a later delivery opens them again. */
  close(): void {
    this.policies.close();
    this.requiretls.close();
    this.#loglevels.close();
  }

  /** Servers may have a loglevel of their own. */
  get looksUpLoglevels(): boolean {
    return this.#loglevels.configured;
  }

  /** What is logged about TLS with this server. */
  async logFlagsOf(host: string, address: string): Promise<LogFlags> {
    return this.#loglevels.of(host, address, this.logFlags);
  }

  /** What `startTls` wants for a session; null when the settings cannot be used. */
  tlsProps(policy: HostPolicy, { trace }: LogFlags): StartTlsProps | null {
    let props = this.#tlsProps.get(policy);
    if (props === undefined) {
      props = this.#makeTlsProps(policy);
      this.#tlsProps.set(policy, props);
    }
    return props === null || trace === this.logFlags.trace
      ? props
      : { ...props, ...sessionSettings(this.options.tls, trace) };
  }

  /** Whether the context has read these properties already, so that native code need not read them again. */
  isPrepared(context: NativeContext, props: StartTlsProps): boolean {
    const known = this.#prepared.get(context);
    if (known !== undefined || props.auth !== null) {
      return known === props;
    }
    try {
      context.prepare(props);
    } catch {
      return false; // the handshake says what is wrong with them
    }
    this.#prepared.set(context, props);
    return true;
  }

  /** Properties that an AUTH mechanism must not have on such a connection. */
  securityOptions(tls: TlsSnapshot | null, matched: boolean): readonly string[] {
    const { saslSecurityOptions, saslTlsSecurityOptions, saslTlsVerifiedSecurityOptions } =
      this.options;
    if (tls === null) {
      return saslSecurityOptions;
    }
    return matched ? saslTlsVerifiedSecurityOptions : saslTlsSecurityOptions;
  }

  #use(context: NativeContext, chains: NativeChains | null): void {
    this.#context = context;
    this.#chains = chains;
    this.#smaller.clear();
  }

  #makeContext(chains: NativeChains | null, groups: readonly string[] = []): NativeContext {
    const { tls } = this.options;
    const settings =
      groups.length === 0 ? tls : { ...tls, eecdhAutoCurves: groups, ffdheAutoGroups: [] };
    return createClientContext(settings, {
      chains,
      warn: (text) => this.logger.warn(text),
      keyLogFile: this.#keyLogFile,
    });
  }

  #makeTlsProps(policy: HostPolicy): StartTlsProps | null {
    try {
      return peerTlsProps(policy, this.options.tls, {
        timeout: this.options.starttlsTimeout,
        trace: this.logFlags.trace,
        warn: (text) => this.logger.warn(text),
      });
    } catch (error) {
      this.#warnDisabled(error);
      return null;
    }
  }

  #warnDisabled(error: unknown): void {
    if (error instanceof TlsError && error.code.startsWith('CHAIN_')) {
      return; // all has been said while the files were read
    }
    this.#warn(error, 'disabling TLS support');
  }

  #warn(error: unknown, consequence: string): void {
    if (!(error instanceof TlsError)) {
      throw error;
    }
    this.logger.warn(`${error.message}: ${consequence}`);
    for (const line of libraryProblems(error)) {
      this.logger.warn(line.text);
    }
  }
}
