/**
 * From resolved options to what native code wants: one context per role, and the properties of each session.
 *
 * A context is immutable after its first session; a reload makes a new one. Servers fix protocols, ciphers and
 * security level in the context. Clients choose them per session, because the level of the destination decides.
 */
import { isIP } from 'node:net';
import { addon } from '../addon.js';
import { type QuestionHandler, setQuestionHandler } from '../dispatch.js';
import { TlsError } from '../errors.js';
import type {
  NativeChains,
  NativeContext,
  NativeContextProps,
  NativePeerAuth,
  NativeProtocols,
  NativeSniCache,
  QuestionKind,
  StartTlsProps,
} from '../native.js';
import { isNone, ownChains } from './chains.js';
import { type CipherBaseLists, clientCipherList, serverCipherList } from './ciphers.js';
import { groupList } from './groups.js';
import {
  isDaneBased,
  isPkix,
  mustEncrypt,
  mustMatch,
  type ServerTlsMode,
  serverTlsMode,
  type TlsLevel,
} from './levels.js';
import { daneDigestList } from './dane-digests.js';
import { ensureLibrary } from './library.js';
import { libraryOptions } from './library-options.js';
import type { ResolvedSmtpdTls, ResolvedSmtpTls } from './options.js';
import {
  cipherListUsable,
  digestSupported,
  groupSupported,
  settableProtocols,
  usableDhFile,
} from './probes.js';
import { type ServerTickets, ticketProps } from './tickets.js';
import { anyProtocols, parseProtocols } from './protocols.js';

/** Bits of {@link NativeProtocols.exclude} that DANE rules out. */
const excludeSslv3 = 1;

/** The same for a server without a certificate. */
const excludeTlsv13 = 16;

export interface ServerContextProps {
  /** Name of the service, e.g. `smtpd` or `submissions`: sessions do not resume across services. */
  readonly service: string;
  /** TLS from the first byte, whatever `tls.wrappermode` says. */
  readonly wrappermode?: boolean;
  /** Absent: the ones that the options name are loaded. */
  readonly chains?: NativeChains | null;
  /** Gets warnings that do not stop TLS. */
  readonly warn?: (text: string) => void;
  /** Chains of server names; null: names are neither looked up nor acknowledged. */
  readonly sni?: ServerNames | null;
  /** Answers for the session cache; null: there is none. */
  readonly sessions?: QuestionHandler | null;
  /** Keys of session tickets; null: this context's own, which end with it. */
  readonly tickets?: ServerTickets | null;
  /** Where the sessions' secrets are written, in the NSS format; absent: nowhere. */
  readonly keyLogFile?: string | undefined;
}

/** Who knows the chains of server names: a native cache, and whom to ask for what is not in it. */
export interface ServerNames {
  readonly cache: NativeSniCache;
  readonly ask: QuestionHandler;
}

/**
 * The context of a server. Initialises the library when nobody has.
 *
 * @throws TlsError `NO_SERVER_CERTS` when the options want TLS and name no chain; `CHAIN_*`, `CA_LOAD`, `BAD_*` when
 *   something in them cannot be used; `INVALID_PARAMETER`
 */
export function createServerContext(
  options: ResolvedSmtpdTls,
  props: ServerContextProps,
): NativeContext {
  ensureLibrary(options);
  const mode = serverTlsMode({ ...options, wrappermode: props.wrappermode ?? options.wrappermode });
  const tickets = props.tickets ?? null;
  const chains =
    props.chains === undefined ? ownChains(options, 'smtpd', props.warn) : props.chains;
  for (const warning of credentialWarnings(options, mode, chains)) {
    props.warn?.(warning);
  }
  if (mode.use && chains === null && (mode.askCert || !isNone(options.certFile))) {
    throw new TlsError({
      code: 'NO_SERVER_CERTS',
      message: 'No server certs available. TLS cannot be offered',
      suggestion:
        'name a file with private key and certificate chain in smtpd_tls_chain_files (tls.chainFiles)',
    });
  }
  const context = addon.createContext({
    ...commonProps('server', options, chains, props),
    ...serverNameProps(props.sni ?? null),
    ask: questionsOf(props),
    dhFile: usableDhFile(options.dh1024ParamFile, (text) => props.warn?.(text)),
    role: 'server',
    service: props.service,
    protocols: serverProtocols(options, mode, chains === null && !props.sni),
    securityLevel: mode.requireCert ? 1 : 0,
    cipherList: serverCipherList(options, mode, baseLists(options)),
    askClientCert: mode.askCert,
    requireClientCert: mode.requireCert,
    trustServerCcerts: mode.askCert && options.trustServerCcerts,
    verifyDepth: options.ccertVerifydepth,
    ...ticketProps(options, tickets, (text) => props.warn?.(text)),
  });
  const handlers = {
    chain: props.sni?.ask,
    session: props.sessions,
    'ticket-key': tickets?.ask,
  } as const;
  setQuestionHandler(context, (kind, data, answer) => {
    const handler = handlers[kind];
    if (handler) {
      handler(kind, data, answer);
    } else {
      answer(null);
    }
  });
  return context;
}

function questionsOf({ sni, sessions, tickets }: ServerContextProps): readonly QuestionKind[] {
  return [
    ...(sni ? ['chain' as const] : []),
    ...(sessions ? ['session' as const] : []),
    ...(tickets?.ask ? ['ticket-key' as const] : []),
  ];
}

function serverNameProps(
  names: ServerNames | null,
): Pick<NativeContextProps, 'acknowledgeSni' | 'sniCache'> {
  return {
    acknowledgeSni: names !== null,
    sniCache: names?.cache ?? null,
  };
}

export interface ServerSessionProps extends Partial<SessionSettings> {
  /** Milliseconds for each wait of the handshake; 0: none. */
  readonly timeout: number;
  /** Milliseconds for the whole handshake; 0: none. */
  readonly deadline?: number;
}

function serverProtocols(
  options: ResolvedSmtpdTls,
  mode: ServerTlsMode,
  withoutCertificate: boolean,
): NativeProtocols {
  const protocols = mode.enforce
    ? parseProtocols(options.mandatoryProtocols, 'smtpd_tls_mandatory_protocols')
    : parseProtocols(options.protocols, 'smtpd_tls_protocols');
  // TLS 1.3 has no anonymous key exchange (RFC 8446 section 4.1.3): clients are to fall back on the older ones, which do.
  return withoutCertificate
    ? { ...protocols, exclude: protocols.exclude | excludeTlsv13 }
    : protocols;
}

/** Settings that do not go together, in Postfix's words. */
function credentialWarnings(
  options: ResolvedSmtpdTls,
  mode: ServerTlsMode,
  chains: NativeChains | null,
): readonly string[] {
  return [
    ...(chains === null && mode.askCert ? ['Need a server cert to request client certs'] : []),
    ...(mode.use && !mode.enforce && options.reqCcert
      ? ["Can't require client certs unless TLS is required"]
      : []),
  ];
}

/** What `startTls` wants on a server: all but the time limits is in the context. */
export function serverTlsProps(props: ServerSessionProps): StartTlsProps {
  return {
    ...plainSession,
    ...props,
    sni: null,
    cipherList: null,
    securityLevel: -1,
    protocols: anyProtocols,
    deadline: props.deadline ?? 0,
    auth: null,
    session: null,
  };
}

/** What a session has of the options, beside the context. */
export type SessionSettings = Pick<
  StartTlsProps,
  'traceLimit' | 'traceRate' | 'fastShutdown' | 'tickets' | 'noteTickets'
>;

const plainSession: SessionSettings = {
  ...{ traceLimit: 0, traceRate: 0, fastShutdown: true },
  ...{ tickets: true, noteTickets: false },
};

/** @param trace the loglevel wants one */
export function sessionSettings(options: CommonOptions, trace: boolean): SessionSettings {
  return {
    traceLimit: trace ? options.traceSizeLimit : 0,
    traceRate: options.traceRateLimit,
    fastShutdown: options.fastShutdownEnable,
    tickets: true,
    noteTickets: false,
  };
}

/**
 * The context of a client. Initialises the library when nobody has.
 *
 * @throws TlsError `CHAIN_*`, `CA_LOAD`, `BAD_*` when something in the options cannot be used; `INVALID_PARAMETER`
 */
export function createClientContext(
  options: ResolvedSmtpTls,
  props: Partial<Omit<ServerContextProps, 'wrappermode'>> = {},
): NativeContext {
  ensureLibrary(options);
  const chains = props.chains === undefined ? ownChains(options, 'smtp', props.warn) : props.chains;
  return addon.createContext({
    ...commonProps('client', options, chains, props),
    service: props.service ?? 'smtp',
    protocols: anyProtocols,
    securityLevel: 0,
    cipherList: usualCipherList(options),
    dhFile: null,
    askClientCert: false,
    requireClientCert: false,
    trustServerCcerts: false,
    // No certificate chain and no name without a certificate.
    enableRpk: options.enableRpk && !isPkix(options.securityLevel),
    verifyDepth: options.scertVerifydepth,
    tickets: true,
    ticketRing: null,
    ticketCipher: null,
    sessionTimeout: 0,
    sessionIds: false,
    daneDigests: daneDigests(options.daneDigests, props.warn),
  });
}

/** The list of the configured level: its sessions have nothing to set. One that cannot be used is theirs to fail on. */
function usualCipherList(options: ResolvedSmtpTls): string | null {
  try {
    const list = clientCipherList(options, options.securityLevel, baseLists(options));
    return cipherListUsable(list) ? list : null;
  } catch {
    return null;
  }
}

/** A destination's own settings, in the place of the configured ones. */
export interface ClientSessionPolicy {
  readonly protocols?: string;
  readonly ciphers?: string;
  readonly exclude?: readonly string[];
  readonly servername?: string;
}

export interface ClientSessionProps {
  /** The session's effective level. */
  readonly level: TlsLevel;
  /** Name of the server, before alias expansion. */
  readonly host: string;
  /** Next-hop domain without brackets and port. */
  readonly nexthop: string;
  /** Milliseconds for each wait of the handshake; 0: none. */
  readonly timeout: number;
  /** Milliseconds for the whole handshake; 0: none. */
  readonly deadline?: number;
  readonly policy?: ClientSessionPolicy;
  /** The loglevel wants a trace. */
  readonly trace?: boolean;
  /** Gets warnings that do not stop TLS. */
  readonly warn?: (text: string) => void;
  /** What the server must show, from {@link peerAuth}; default: nothing. */
  readonly auth?: NativePeerAuth | null;
  /** A session to resume, from `takeSession()`. */
  readonly session?: Uint8Array | null;
}

/** What `startTls` wants for one session of a client. @throws TlsError `INVALID_PARAMETER` */
export function clientTlsProps(
  options: ResolvedSmtpTls,
  session: ClientSessionProps,
): StartTlsProps {
  const policy = session.policy ?? {};
  const spec =
    policy.protocols ??
    (mustEncrypt(session.level) ? options.mandatoryProtocols : options.protocols);
  const protocols = settableProtocols(parseProtocols(spec, 'smtp_tls_protocols'), (text) =>
    session.warn?.(text),
  );
  return {
    ...sessionSettings(options, session.trace ?? false),
    sni: serverName(policy.servername ?? options.servername, session),
    cipherList: clientCipherList(options, session.level, baseLists(options), policy),
    securityLevel: mustMatch(session.level) ? 1 : 0,
    protocols: isDaneBased(session.level)
      ? { ...protocols, exclude: protocols.exclude | excludeSslv3 }
      : protocols,
    timeout: session.timeout,
    deadline: session.deadline ?? 0,
    auth: session.auth ?? null,
    session: session.session ?? null,
  };
}

/** The name to send; null for none: an address is not a name (RFC 6066 section 3). */
function serverName(servername: string, session: ClientSessionProps): string | null {
  const keyword = servername.toLowerCase();
  const name =
    keyword === 'hostname' ? session.host : keyword === 'nexthop' ? session.nexthop : servername;
  return name === '' || isIP(name) !== 0 ? null : name;
}

type CommonOptions = ResolvedSmtpdTls | ResolvedSmtpTls;

type CommonProps = Omit<
  NativeContextProps,
  | 'service'
  | 'protocols'
  | 'securityLevel'
  | 'cipherList'
  | 'dhFile'
  | 'askClientCert'
  | 'requireClientCert'
  | 'trustServerCcerts'
  | 'verifyDepth'
  | 'tickets'
  | 'ticketRing'
  | 'ticketCipher'
  | 'sessionTimeout'
  | 'sessionIds'
>;

function commonProps(
  role: NativeContextProps['role'],
  options: CommonOptions,
  chains: NativeChains | null,
  { warn, keyLogFile }: Pick<ServerContextProps, 'warn' | 'keyLogFile'>,
): CommonProps {
  const { eecdhAutoCurves, ffdheAutoGroups } = options;
  const { groups, warnings } = groupList(eecdhAutoCurves, ffdheAutoGroups, groupSupported);
  const bits = libraryOptions(options, role);
  for (const text of [...warnings, ...bits.warnings]) {
    warn?.(text);
  }
  if (keyLogFile !== undefined) {
    warn?.(`TLS session keys are written to ${keyLogFile}: who reads it can decrypt the sessions`);
  }
  return {
    role,
    groups,
    keyLogFile: keyLogFile ?? null,
    optionsOn: bits.on,
    optionsOff: bits.off,
    chains,
    enableRpk: options.enableRpk,
    caFile: emptyIsNull(options.CAfile),
    caPath: emptyIsNull(options.CApath),
    appendDefaultCa: options.appendDefaultCA,
    digest: options.fingerprintDigest,
    ask: [],
    acknowledgeSni: false,
    sniCache: null,
    daneDigests: [],
  };
}

function baseLists(options: CommonOptions): CipherBaseLists {
  return {
    high: options.highCipherlist,
    medium: options.mediumCipherlist,
    null: options.nullCipherlist,
  };
}

function emptyIsNull(text: string): string | null {
  return text === '' ? null : text;
}

function daneDigests(
  words: readonly string[],
  warn: ((text: string) => void) | undefined,
): NativeContextProps['daneDigests'] {
  const { digests, warnings } = daneDigestList(words, digestSupported);
  for (const warning of warnings) {
    warn?.(warning);
  }
  return digests;
}
