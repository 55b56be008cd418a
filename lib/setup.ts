/**
 * TLS for programs with a dialogue of their own: what {@link Connection.startTls} wants, made from the same options
 * that the engines take.
 */
import { resolveSmtp, resolveSmtpd } from './config/check.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from './config/options.js';
import { parseLoglevel } from './log/loglevel.js';
import type { NativeContext, StartTlsProps } from './native.js';
import {
  clientTlsProps,
  createClientContext,
  createServerContext,
  serverTlsProps,
  sessionSettings,
} from './tls/contexts.js';

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
    context: createServerContext(options.tls, { service, ...props }),
    props: serverTlsProps({
      timeout: options.starttlsTimeout,
      ...sessionSettings(options.tls, flags.trace),
    }),
  };
}

/**
 * For the client's side; `host` is the server's name, sent where `tls.servername` asks for it.
 *
 * @throws TlsError as {@link serverTls}
 */
export function clientTls(tls: SmtpTlsOptions, host: string, props: TlsSetupProps = {}): TlsSetup {
  const options = resolveSmtp({ tls });
  return {
    context: createClientContext(options.tls, props),
    props: clientTlsProps(options.tls, {
      ...props,
      trace: parseLoglevel(options.tls.loglevel).flags.trace,
      level: options.tls.securityLevel,
      host,
      nexthop: host,
      timeout: options.starttlsTimeout,
    }),
  };
}
