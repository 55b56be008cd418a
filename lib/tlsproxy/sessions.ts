/** The TLS sessions of a proxy: made, joined with their requesters, kept for the next. */
import { randomUUID } from 'node:crypto';
import { addon } from '../addon.js';
import { resolveSmtp } from '../config/check.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from '../config/options.js';
import { Connection } from '../connection.js';
import { TlsError } from '../errors.js';
import { logEstablished, logHandshakeFailure } from '../log/handshake.js';
import { type Logger, printable } from '../log/logger.js';
import { parseLoglevel } from '../log/loglevel.js';
import type { NativeContext, StartTlsProps } from '../native.js';
import { serverTls, type TlsSetup } from '../setup.js';
import { createClientContext } from '../tls/client-context.js';
import { contextSettings, settingsThatDiffer } from '../tls/context-settings.js';
import type { ResolvedSmtpTls } from '../tls/options.js';
import { requestedTls } from './client-policy.js';
import { join } from './join.js';
import { KeptSessions, type LiveSession } from './kept.js';
import {
  type ClientRequest,
  type KeepRequest,
  type ServerRequest,
  type TakeRequest,
  refusal,
  type TlsproxyRequest,
  violation,
  writeLine,
} from './message.js';

export interface SessionsProps {
  readonly server: SmtpdTlsOptions | null;
  readonly client: SmtpTlsOptions | null;
  readonly logger: Required<Logger>;
  readonly keepLimit: number;
}

const defaultTimeout = 300;
const defaultIdle = 2;
/** Different warnings about settings; more nobody needs. */
const mostTold = 100;
/** Seconds by which the requester's own time limit comes first, as in Postfix. */
const grace = 10;

export class Sessions {
  readonly #props: SessionsProps;
  readonly #servers = new Map<string, TlsSetup>();
  #clientContext: NativeContext | null = null;
  readonly #live = new Map<string, LiveSession>();
  readonly #waiting: KeptSessions;
  /** Warnings about settings: each once. */
  readonly #told = new Set<string>();

  /** @throws TlsError what cannot be set up */
  constructor(props: SessionsProps) {
    this.#props = props;
    this.#waiting = new KeptSessions(props.keepLimit);
    // Before privileges are dropped, and to say at once what is wrong.
    if (props.server !== null) {
      this.#server('smtpd');
    }
    if (props.client !== null) {
      this.#client(props.client);
    }
  }

  get kept(): number {
    return this.#waiting.count;
  }

  clear(): void {
    this.#waiting.clear();
  }

  /**
   * Does what is asked for; returns when that is under way.
   *
   * @param fd of the peer's socket, which stays the caller's; -1: none came
   * @throws TlsError (rejects) what is to be told to the requester
   */
  async serve(request: TlsproxyRequest, requester: Connection, fd: number): Promise<void> {
    switch (request.role) {
      case 'server':
        return this.#begin({ request, requester, fd, ...this.#serverSide(request) });
      case 'client':
        return this.#begin({ request, requester, fd, ...this.#clientSide(request) });
      case 'take':
        return this.#take(request, requester);
      case 'keep':
        return this.#keep(request, requester);
    }
  }

  #serverSide({ service = 'smtpd' }: ServerRequest): TlsSetup {
    return this.#server(service);
  }

  #server(service: string): TlsSetup {
    const { server, logger } = this.#props;
    if (server === null) {
      throw disabled('server');
    }
    const made =
      this.#servers.get(service) ??
      serverTls(server, service, { warn: (text) => logger.warn(text) });
    this.#servers.set(service, made);
    return made;
  }

  #clientSide(request: ClientRequest): TlsSetup {
    const { client, logger } = this.#props;
    if (client === null) {
      throw disabled('client');
    }
    const { tls } = resolveSmtp({ tls: client });
    this.#requireSameSettings(tls, request);
    const warn = (text: string): void => logger.warn(text);
    return { context: this.#client(client), props: requestedTls(tls, request, warn) };
  }

  /** A session must not depend on settings that its requester has not. */
  #requireSameSettings(tls: ResolvedSmtpTls, { peer, settings }: ClientRequest): void {
    const others = settings === undefined ? [] : settingsThatDiffer(contextSettings(tls), settings);
    if (others.length === 0) {
      return;
    }
    const names = printable(others.join(' '));
    const what = `request from tlsproxy client with unexpected settings: ${names}`;
    if (!this.#told.has(what) && this.#told.size < mostTold) {
      this.#told.add(what);
      this.#props.logger.warn(
        `${peer}: ${what}; give both the same, or the client a tlsproxy of its own`,
      );
    }
    throw new TlsError({ code: 'INVALID_STATE', message: what });
  }

  #client(client: SmtpTlsOptions): NativeContext {
    const { logger } = this.#props;
    const { tls } = resolveSmtp({ tls: client });
    this.#clientContext ??= createClientContext(tls, { warn: (text) => logger.warn(text) });
    return this.#clientContext;
  }

  async #begin(props: BeginProps): Promise<void> {
    const { request, requester, fd, context } = props;
    const { role, peer, sessionTimeout = defaultTimeout } = request;
    if (fd < 0) {
      throw violation('no descriptor came with the request');
    }
    const direction = role === 'server' ? 'from' : 'to';
    this.#props.logger.info(`CONNECT ${direction} ${peer}`);
    const native = addon.adopt(fd);
    const tls = new Connection(native, role);
    tls.on('error', () => undefined);
    const unwatch = watch(requester, () => tls.abort());
    try {
      await tls.startTls(context, timed(props));
    } catch (error) {
      if (error instanceof TlsError) {
        logHandshakeFailure(this.#props.logger, { direction, namaddr: peer, error });
        refuse(requester, error);
        return;
      }
      throw error;
    } finally {
      unwatch();
    }
    this.#attach(requester, {
      ...{ id: randomUUID(), peer, tls, sessionTimeout, uses: 0, keep: null, state: null },
      ...{
        claims: native.claims(),
        notices: role === 'client' ? (native.takeNotices() ?? []) : [],
      },
    });
    this.#log(tls, direction, peer);
  }

  #log(tls: Connection, direction: 'from' | 'to', namaddr: string): void {
    const { server, client, logger } = this.#props;
    const options = direction === 'from' ? server : client;
    const { flags } = parseLoglevel(`${options?.loglevel ?? '0'}`);
    if (tls.tls !== null) {
      logEstablished(logger, { snapshot: tls.tls, direction, use: 'established', namaddr, flags });
    }
  }

  #attach(requester: Connection, session: LiveSession): void {
    const { id, tls, uses, sessionTimeout, claims, notices, state } = session;
    session.keep = null;
    this.#live.set(id, session);
    const reused = uses > 0;
    writeLine(requester, { ok: true, id, reused, uses, tls: tls.tls, claims, notices, state });
    join({
      ...{ tls, plain: requester, timeout: (sessionTimeout + grace) * 1000 },
      detach: () => session.keep !== null && tls.role === 'client',
      done: () => {
        this.#live.delete(id);
        if (session.keep !== null && !tls.destroyed && tls.writable) {
          session.uses += 1;
          session.state = session.keep.state;
          this.#waiting.add(session, session.keep.key, session.keep.idle);
        }
      },
    });
  }

  #take({ key }: TakeRequest, requester: Connection): void {
    const session = this.#waiting.take(key);
    if (session === null) {
      writeLine(requester, notFound('no session is kept'));
      requester.end();
      requester.resume();
      return;
    }
    this.#attach(requester, session);
  }

  #keep(request: KeepRequest, requester: Connection): void {
    const { id, key, idle = defaultIdle, state = null } = request;
    const session = this.#live.get(id);
    const known = session?.tls.role === 'client';
    if (known) {
      session.keep = { key, idle, state };
    }
    writeLine(requester, known ? { ok: true } : notFound('no such session'));
    requester.end();
    requester.resume();
  }
}

interface BeginProps extends TlsSetup {
  readonly request: ServerRequest | ClientRequest;
  readonly requester: Connection;
  readonly fd: number;
}

/** Calls when a requester goes away, or speaks out of turn, during a handshake. */
function watch(requester: Connection, gone: () => void): () => void {
  const look = (): void => {
    if (requester.read() !== null) {
      gone();
    }
  };
  requester.on('readable', look).on('end', gone).on('close', gone);
  return () => requester.off('readable', look).off('end', gone).off('close', gone);
}

/** The handshake has failed, the requester may have gone. */
function refuse(requester: Connection, error: TlsError): void {
  if (!requester.destroyed) {
    writeLine(requester, refusal(error, true));
    requester.end();
    requester.resume();
  }
}

function notFound(message: string): object {
  return { ok: false, code: 'NOT_FOUND', message };
}

function timed({ props, request }: BeginProps): StartTlsProps {
  return { ...props, deadline: (request.handshakeTimeout ?? defaultTimeout) * 1000 };
}

function disabled(role: 'server' | 'client'): TlsError {
  return new TlsError({
    code: 'INVALID_STATE',
    message: `TLS ${role} role is disabled by configuration`,
    suggestion: `give the proxy the options of a ${role}`,
  });
}
