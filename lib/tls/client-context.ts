/**
 * The client's side: from resolved options to a context, and to the properties of each session.
 *
 * Protocols, ciphers and security level are chosen per session, because the level of the destination decides.
 */
import { isIP } from 'node:net';
import { addon } from '../addon.js';
import type {
  NativeContext,
  NativeContextProps,
  NativePeerAuth,
  StartTlsProps,
} from '../native.js';
import { ownChains } from './chains.js';
import { clientCipherList } from './ciphers.js';
import { baseLists, commonProps, type ContextProps, sessionSettings } from './context-props.js';
import { daneDigestList } from './dane-digests.js';
import { isDaneBased, isPkix, mustEncrypt, mustMatch, type TlsLevel } from './levels.js';
import { ensureLibrary } from './library.js';
import type { ResolvedSmtpTls } from './options.js';
import { cipherListUsable, digestSupported, settableProtocols } from './probes.js';
import { anyProtocols, parseProtocols } from './protocols.js';

/** Bit of `NativeProtocols.exclude` that DANE rules out. */
const excludeSslv3 = 1;

/**
 * The context of a client. Initialises the library when nobody has.
 *
 * @throws TlsError `CHAIN_*`, `CA_LOAD`, `BAD_*` when something in the options cannot be used; `INVALID_PARAMETER`
 */
export function createClientContext(
  options: ResolvedSmtpTls,
  props: ContextProps & { readonly service?: string } = {},
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
