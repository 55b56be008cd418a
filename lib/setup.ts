/**
 * TLS for programs with a dialogue of their own: what {@link Connection.startTls} wants, made from the same options
 * that the engines take.
 */
import { resolveSmtp, resolveSmtpd } from './config/check.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from './config/options.js';
import { parseLoglevel } from './log/loglevel.js';
import type { NativeContext, StartTlsProps } from './native.js';
import { clientTlsProps, createClientContext } from './tls/client-context.js';
import { sessionSettings } from './tls/context-props.js';
import { createServerContext, serverTlsProps } from './tls/server-context.js';
import type { TlsLevel } from './tls/levels.js';
import { ensureLibrary } from './tls/library.js';
import type { ResolvedSmtpdTls } from './tls/options.js';
import { type PeerMatch, peerAuth } from './tls/peer-auth.js';
import { wantsTickets } from './tls/tickets.js';
import { TicketKeys, ticketKeyPeriod } from './tlsmgr/ticket-keys.js';

/** A context, to be kept and shared by many connections, and the properties of a session. */
export interface TlsSetup {
  readonly context: NativeContext;
  readonly props: StartTlsProps;
}

/** What is no parameter. */
export interface TlsSetupProps {
  /** Gets warnings that do not stop TLS. */
  readonly warn?: (text: string) => void;
  /** File that gets the secrets of the sessions in the NSS key log format; made with mode 0600, appended to. */
  readonly keyLogFile?: string;
}

/**
 * For the server's side; `service` keeps sessions of one service from resuming at another.
 *
 * With `trace` in `loglevel` a connection has a trace to take ({@link Connection.takeTrace}).
 *
 * @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`, `NO_SERVER_CERTS`, `CHAIN_*`, `CA_LOAD`, `BAD_*`,
 *   `KEYLOG_FILE`
 */
export function serverTls(
  tls: SmtpdTlsOptions,
  service = 'smtpd',
  props: TlsSetupProps = {},
): TlsSetup {
  const options = resolveSmtpd({ tls });
  const { flags } = parseLoglevel(options.tls.loglevel);
  return {
    context: createServerContext(options.tls, { service, ...props, tickets: tickets(options.tls) }),
    props: serverTlsProps({
      timeout: options.starttlsTimeout,
      ...sessionSettings(options.tls, flags.trace),
    }),
  };
}

/** Until the process ends: a context may be in use as long. */
const ticketKeys = new Map<number, TicketKeys>();

function tickets(options: ResolvedSmtpdTls): TicketKeys | null {
  if (!wantsTickets(options)) {
    return null;
  }
  ensureLibrary(options);
  const period = ticketKeyPeriod(options.sessionCacheTimeout);
  const keys =
    ticketKeys.get(period) ??
    new TicketKeys({ period, source: null, warn: (text) => process.emitWarning(text) });
  ticketKeys.set(period, keys);
  return keys;
}

/** What a client demands of one server. */
export interface ClientDemand extends PeerMatch {
  /** Default: `tls.securityLevel`. */
  readonly level?: TlsLevel;
  /** Server name to send in the place of `tls.servername`; with DANE: where the records lie (RFC 7672 section 3.2.3). */
  readonly servername?: string;
  /** A session to resume, from {@link Connection.takeSession}, with the same options and the same demand. */
  readonly session?: Uint8Array;
}

/**
 * For the client's side; `host` is the server's name, sent where `tls.servername` asks for it. What `demand` asks for is
 * matched during the handshake, which it does not end: the snapshot's `status` is `Verified` where it did.
 *
 * @throws TlsError as {@link serverTls}
 */
export function clientTls(
  tls: SmtpTlsOptions,
  host: string,
  demand: ClientDemand & TlsSetupProps = {},
): TlsSetup {
  const options = resolveSmtp({ tls });
  const {
    level = options.tls.securityLevel,
    servername,
    session,
    warn,
    keyLogFile,
    ...match
  } = demand;
  const enableRpk = match.enableRpk ?? options.tls.enableRpk;
  const warned = warn === undefined ? {} : { warn };
  return {
    context: createClientContext(options.tls, { ...warned, keyLogFile }),
    props: clientTlsProps(options.tls, {
      ...warned,
      trace: parseLoglevel(options.tls.loglevel).flags.trace,
      level,
      host,
      nexthop: host,
      timeout: options.starttlsTimeout,
      policy: servername === undefined ? {} : { servername },
      auth: peerAuth(level, { ...match, enableRpk }, warn),
      session: session ?? null,
    }),
  };
}
