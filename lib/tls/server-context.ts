/**
 * The server's side: from resolved options to a context, and to the properties of each session.
 *
 * A context is immutable after its first session; a reload makes a new one. Protocols, ciphers and security level are
 * fixed in it.
 */
import { addon } from '../addon.js';
import { type QuestionHandler, setQuestionHandler } from '../dispatch.js';
import { TlsError } from '../errors.js';
import type {
  NativeChains,
  NativeContext,
  NativeContextProps,
  NativeProtocols,
  NativeSniCache,
  QuestionKind,
  StartTlsProps,
} from '../native.js';
import { isNone, ownChains } from './chains.js';
import { serverCipherList } from './ciphers.js';
import {
  baseLists,
  commonProps,
  type ContextProps,
  plainSession,
  type SessionSettings,
} from './context-props.js';
import { type ServerTlsMode, serverTlsMode } from './levels.js';
import { ensureLibrary } from './library.js';
import type { ResolvedSmtpdTls } from './options.js';
import { usableDhFile } from './probes.js';
import { type ServerTickets, ticketProps } from './tickets.js';
import { anyProtocols, parseProtocols } from './protocols.js';

/** Bit of {@link NativeProtocols.exclude}: TLS 1.3, where there is no certificate. */
const excludeTlsv13 = 16;

export interface ServerContextProps extends ContextProps {
  /** Name of the service, e.g. `smtpd` or `submissions`: sessions do not resume across services. */
  readonly service: string;
  /** TLS from the first byte, whatever `tls.wrappermode` says. */
  readonly wrappermode?: boolean;
  /** Chains of server names; null: names are neither looked up nor acknowledged. */
  readonly sni?: ServerNames | null;
  /** Answers for the session cache; null: there is none. */
  readonly sessions?: QuestionHandler | null;
  /** Keys of session tickets; null: this context's own, which end with it. */
  readonly tickets?: ServerTickets | null;
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
