/**
 * The session cache of one Smtp: which key a connection's session has, and whether there is a cache at all.
 */
import { addon } from '../addon.js';
import type { ResolvedSmtp } from '../config/options.js';
import type { Logger } from '../log/logger.js';
import type { NativeContext, OwnCertificate, StartTlsProps } from '../native.js';
import { type ClientSessionKeyProps, clientSessionKey } from '../session-cache/client-key.js';
import { ClientSessions } from '../session-cache/client-sessions.js';
import { openSessionStore } from '../session-cache/open.js';
import type { SessionStore } from '../session-cache/store.js';
import type { ResolvedSmtpTls } from '../tls/options.js';
import { Resumption } from './resumption.js';

export interface TlsSessionsProps {
  readonly options: ResolvedSmtp;
  readonly logger: Required<Logger>;
  /** Verbosity `cache`. */
  readonly verbose: boolean;
  /** In the place of `smtp_tls_session_cache_database`. */
  readonly store: SessionStore | null;
  /** Those that the present context has. */
  readonly certificates: () => readonly OwnCertificate[];
}

export type SessionTarget = Pick<ClientSessionKeyProps, 'nexthop' | 'host' | 'address' | 'level'>;

/** @returns null without a cache @throws TlsError `INVALID_PARAMETER` */
export function openTlsSessions(props: TlsSessionsProps): TlsSessions | null {
  const { options, logger } = props;
  const { sessionCacheDatabase, sessionCacheTimeout } = options.tls;
  const store =
    props.store ??
    openSessionStore(sessionCacheDatabase, {
      parameter: 'smtp_tls_session_cache_database',
      timeout: sessionCacheTimeout / 1000,
      warn: (text) => logger.warn(text),
    });
  return store === null ? null : new TlsSessions(props, store);
}

export class TlsSessions {
  readonly #props: TlsSessionsProps;
  readonly #sessions: ClientSessions;
  #libraryVersion = 0;
  /** The last context, and {@link contextText} of it. */
  #context: NativeContext | null = null;
  #contextText = '';

  constructor(props: TlsSessionsProps, store: SessionStore) {
    const { logger, verbose } = props;
    this.#props = props;
    this.#sessions = new ClientSessions({
      store,
      log: verbose ? (text) => logger.info(text) : null,
      warn: (text) => logger.warn(text),
    });
  }

  /**
   * Begins to look for a session with a server.
   *
   * @param heloName the server's, from its reply to EHLO; empty before one
   * @param context and `tls`: what the handshake will be made with
   */
  resume(
    target: SessionTarget,
    heloName: string,
    context: NativeContext,
    tls: StartTlsProps,
  ): Resumption {
    const { nexthop, host, address, level } = target;
    this.#libraryVersion ||= addon.libraryInfo().runtimeNumber;
    const key = clientSessionKey({
      ...{ service: 'smtp', nexthop, host, address, level, heloName, tls },
      libraryVersion: this.#libraryVersion,
      enableRpk: this.#props.options.tls.enableRpk,
      context: this.#textOf(context),
    });
    return new Resumption(this.#sessions, key);
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }

  #textOf(context: NativeContext): string {
    if (context !== this.#context) {
      this.#context = context;
      this.#contextText = contextText(this.#props.options.tls, this.#props.certificates());
    }
    return this.#contextText;
  }
}

/** What the context decides about trust, and who we are: a renewed certificate is to be seen by the server. */
function contextText(tls: ResolvedSmtpTls, certificates: readonly OwnCertificate[]): string {
  const { CAfile, CApath, appendDefaultCA, scertVerifydepth } = tls;
  const { daneDigests, fingerprintDigest, eecdhAutoCurves, ffdheAutoGroups } = tls;
  return JSON.stringify([
    ...[CAfile, CApath, appendDefaultCA, scertVerifydepth],
    ...[daneDigests, fingerprintDigest, eecdhAutoCurves, ffdheAutoGroups],
    certificates.map(({ subject, keyType, notBefore, notAfter }) => [
      ...[subject, keyType, notBefore, notAfter],
    ]),
  ]);
}
