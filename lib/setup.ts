/**
 * TLS for programs with a dialogue of their own: what {@link Connection.startTls} wants, made from the same options
 * that the engines take.
 */
import { resolveSmtp, resolveSmtpd } from './config/check.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from './config/options.js';
import type { NativeContext, StartTlsProps } from './native.js';
import {
  clientTlsProps,
  createClientContext,
  createServerContext,
  serverTlsProps,
} from './tls/contexts.js';

/** A context, to be kept and shared by many connections, and the properties of a session. */
export interface TlsSetup {
  readonly context: NativeContext;
  readonly props: StartTlsProps;
}

/**
 * For the server's side; `service` keeps sessions of one service from resuming at another.
 *
 * @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`, `NO_SERVER_CERTS`, `CHAIN_*`, `CA_LOAD`, `BAD_*`
 */
export function serverTls(tls: SmtpdTlsOptions, service = 'smtpd'): TlsSetup {
  const options = resolveSmtpd({ tls });
  return {
    context: createServerContext(options.tls, { service }),
    props: serverTlsProps({ timeout: options.starttlsTimeout }),
  };
}

/**
 * For the client's side; `host` is the server's name, sent where `tls.servername` asks for it.
 *
 * @throws TlsError as {@link serverTls}
 */
export function clientTls(tls: SmtpTlsOptions, host: string): TlsSetup {
  const options = resolveSmtp({ tls });
  return {
    context: createClientContext(options.tls),
    props: clientTlsProps(options.tls, {
      level: options.tls.securityLevel,
      host,
      nexthop: host,
      timeout: options.starttlsTimeout,
    }),
  };
}
