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
  NativeSniCache,
  StartTlsProps,
} from '../native.js';
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
import type { ResolvedSmtpdTls, ResolvedSmtpTls } from './options.js';
import { anyProtocols, parseProtocols } from './protocols.js';

/** SSL_OP_CIPHER_SERVER_PREFERENCE */
const serverPreference = 1n << 22n;

/** Bits of {@link NativeProtocols.exclude} that DANE rules out. */
const excludeSslv3 = 1;

export interface ServerContextProps {
  /** Name of the service, e.g. `smtpd` or `submissions`: sessions do not resume across services. */
  readonly service: string;
  /** TLS from the first byte, whatever `tls.wrappermode` says. */
  readonly wrappermode?: boolean;
  /** Gets warnings that do not stop TLS. */
  readonly warn?: (text: string) => void;
  /** Chains of server names; null: names are neither looked up nor acknowledged. */
  readonly sni?: ServerNames | null;
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
  const chains = loadChains(options.chainFiles);
  for (const warning of ccertWarnings(mode, options.reqCcert, chains !== null)) {
    props.warn?.(warning);
  }
  if (mode.use && chains === null) {
    throw new TlsError({
      code: 'NO_SERVER_CERTS',
      message: 'No server certs available. TLS cannot be offered',
      suggestion:
        'name a file with private key and certificate chain in smtpd_tls_chain_files (tls.chainFiles)',
    });
  }
  const context = addon.createContext({
    ...commonProps(options, chains, props.warn),
    ...serverNameProps(props.sni ?? null),
    role: 'server',
    service: props.service,
    protocols: mode.enforce
      ? parseProtocols(options.mandatoryProtocols, 'smtpd_tls_mandatory_protocols')
      : parseProtocols(options.protocols, 'smtpd_tls_protocols'),
    securityLevel: mode.requireCert ? 1 : 0,
    cipherList: serverCipherList(options, mode, baseLists(options)),
    optionsOn: options.preemptCipherlist ? serverPreference : 0n,
    askClientCert: mode.askCert,
    requireClientCert: mode.requireCert,
    trustServerCcerts: mode.askCert && options.trustServerCcerts,
    verifyDepth: options.ccertVerifydepth,
    tickets: true,
  });
  if (props.sni) {
    setQuestionHandler(context, props.sni.ask);
  }
  return context;
}

function serverNameProps(
  names: ServerNames | null,
): Pick<NativeContextProps, 'ask' | 'acknowledgeSni' | 'sniCache'> {
  return {
    ask: names === null ? [] : ['chain'],
    acknowledgeSni: names !== null,
    sniCache: names?.cache ?? null,
  };
}

/** Settings of client certificates that come to nothing. */
function ccertWarnings(mode: ServerTlsMode, reqCcert: boolean, haveCert: boolean): string[] {
  return [
    ...(mode.askCert && !haveCert ? ['Need a server cert to request client certs'] : []),
    ...(reqCcert && !mode.requireCert ? ["Can't require client certs unless TLS is required"] : []),
  ];
}

export interface ServerSessionProps {
  /** Milliseconds for each wait of the handshake; 0: none. */
  readonly timeout: number;
  /** Milliseconds for the whole handshake; 0: none. */
  readonly deadline?: number;
}

/** What `startTls` wants on a server: all but the time limits is in the context. */
export function serverTlsProps(props: ServerSessionProps): StartTlsProps {
  return {
    sni: null,
    cipherList: null,
    securityLevel: -1,
    protocols: anyProtocols,
    timeout: props.timeout,
    deadline: props.deadline ?? 0,
    auth: null,
    session: null,
  };
}

/**
 * The context of a client. Initialises the library when nobody has.
 *
 * @throws TlsError `CHAIN_*`, `CA_LOAD`, `BAD_*` when something in the options cannot be used; `INVALID_PARAMETER`
 */
export function createClientContext(
  options: ResolvedSmtpTls,
  props: { readonly service?: string; readonly warn?: (text: string) => void } = {},
): NativeContext {
  ensureLibrary(options);
  return addon.createContext({
    ...commonProps(options, loadChains(options.chainFiles), props.warn),
    role: 'client',
    service: props.service ?? 'smtp',
    protocols: anyProtocols,
    securityLevel: 0,
    // A session whose level wants this very list has nothing to set.
    cipherList: clientCipherList(options, options.securityLevel, baseLists(options)),
    optionsOn: 0n,
    askClientCert: false,
    requireClientCert: false,
    trustServerCcerts: false,
    // No certificate chain and no name without a certificate.
    enableRpk: options.enableRpk && !isPkix(options.securityLevel),
    verifyDepth: options.scertVerifydepth,
    tickets: true,
    daneDigests: daneDigests(options.daneDigests, props.warn),
  });
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
  const protocols = parseProtocols(spec, 'smtp_tls_protocols');
  return {
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
  | 'role'
  | 'service'
  | 'protocols'
  | 'securityLevel'
  | 'cipherList'
  | 'optionsOn'
  | 'askClientCert'
  | 'requireClientCert'
  | 'trustServerCcerts'
  | 'verifyDepth'
  | 'tickets'
>;

function commonProps(
  options: CommonOptions,
  chains: NativeChains | null,
  warn: ((text: string) => void) | undefined,
): CommonProps {
  const { groups, warning } = groupList(
    options.eecdhAutoCurves,
    options.ffdheAutoGroups,
    groupSupported,
  );
  if (warning !== null) {
    warn?.(warning);
  }
  return {
    groups,
    optionsOff: 0n,
    chains,
    enableRpk: options.enableRpk,
    caFile: emptyIsNull(options.CAfile),
    caPath: emptyIsNull(options.CApath),
    appendDefaultCa: options.appendDefaultCA,
    digest: options.fingerprintDigest,
    ask: [],
    keyPrefix: null,
    acknowledgeSni: false,
    sniCache: null,
    daneDigests: [],
  };
}

function loadChains(files: readonly string[]): NativeChains | null {
  return files.length === 0 ? null : addon.loadChains(files);
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
  const { digests, warnings } = daneDigestList(words, (name) => works({ digest: name }));
  for (const warning of warnings) {
    warn?.(warning);
  }
  return digests;
}

function groupSupported(element: string): boolean {
  return works({ groups: element });
}

/** Tries a setting on a context of its own. */
function works(setting: { readonly groups: string } | { readonly digest: string }): boolean {
  try {
    addon.createContext({ ...bareContext, ...setting });
    return true;
  } catch (error) {
    if (error instanceof TlsError && (error.code === 'BAD_GROUPS' || error.code === 'BAD_DIGEST')) {
      return false;
    }
    throw error;
  }
}

const bareContext: NativeContextProps = {
  role: 'client',
  service: '',
  protocols: anyProtocols,
  securityLevel: 0,
  cipherList: null,
  groups: null,
  optionsOn: 0n,
  optionsOff: 0n,
  chains: null,
  askClientCert: false,
  requireClientCert: false,
  enableRpk: false,
  trustServerCcerts: false,
  caFile: null,
  caPath: null,
  appendDefaultCa: false,
  verifyDepth: 9,
  digest: 'sha256',
  ask: [],
  keyPrefix: null,
  tickets: false,
  acknowledgeSni: false,
  sniCache: null,
  daneDigests: [],
};
