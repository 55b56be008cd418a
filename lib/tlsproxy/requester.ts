/** The other side: a process that has TLS done by a tlsproxy. */
import type { Socket } from 'node:net';
import { takeSocket } from '../adopt.js';
import { Connection } from '../connection.js';
import { TlsError } from '../errors.js';
import type { TlsSnapshot } from '../snapshot.js';
import {
  isRefused,
  type RefusedAnswer,
  readAnswer,
  readRefusal,
  type SessionAnswer,
} from './answer.js';
import {
  announcement,
  type ClientRequest,
  encodeLine,
  type KeepRequest,
  readLine,
  type ServerRequest,
  violation,
  writeLine,
} from './message.js';

/** A session whose TLS is done elsewhere. */
export interface ProxiedSession {
  /** The inside: plaintext. */
  readonly stream: Connection;
  /** Names it for {@link keepProxied}. */
  readonly id: string;
  /** Another process has used it before. */
  readonly reused: boolean;
  readonly uses: number;
  readonly tls: TlsSnapshot;
  /** What the process before has left with it; null: nothing. */
  readonly state: string | null;
}

/** Milliseconds for the service to answer the connection, as in Postfix. */
const connectTimeout = 10_000;

/** Seconds for a handshake where nobody says anything else, and those that the proxy's word may come later. */
const handshakeTimeout = 300;
const grace = 10;

/**
 * Has a peer's TLS done by the proxy at `path`.
 *
 * @param peer connected, in the middle of STARTTLS; it is passed on, and is nobody's here afterwards: bytes that it has
 *   read and nobody has taken are dealt with as in `adoptSocket`
 * @throws TlsError (rejects) `CONNECT_FAILED`: no proxy, and the peer is as it was; `EARLY_PLAINTEXT`;
 *   `TLSPROXY_PROTOCOL`; `TLSPROXY_REFUSED`: what the proxy says the handshake failed with, its error is the cause
 */
export async function tlsByProxy(
  path: string,
  peer: Socket,
  request: ServerRequest | ClientRequest,
): Promise<ProxiedSession> {
  const stream = await openProxy(path);
  try {
    takeSocket(peer, request.role, (fd) => stream.sendDescriptor(fd, encodeLine(request)));
    return session(stream, await answerOf(stream, request));
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** Takes a session over that another process has left; null: there is none. @throws TlsError (rejects) */
export async function takeProxied(path: string, key: string): Promise<ProxiedSession | null> {
  const stream = await openProxy(path);
  try {
    writeLine(stream, { role: 'take', key });
    const answer = readAnswer(await lineInTime(stream, connectTimeout));
    if (isRefused(answer) && answer.code === 'NOT_FOUND') {
      stream.destroy();
      return null;
    }
    return session(stream, answer);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/**
 * Leaves a session to other processes: call it before the stream is ended.
 *
 * @returns false: the session has gone
 * @throws TlsError (rejects)
 */
export async function keepProxied(
  path: string,
  request: Omit<KeepRequest, 'role'>,
): Promise<boolean> {
  const stream = await openProxy(path);
  try {
    writeLine(stream, { role: 'keep', ...request });
    const fields = await lineInTime(stream, connectTimeout);
    if (fields.ok === true) {
      return true;
    }
    const { code, error } = readRefusal(fields);
    if (code !== 'NOT_FOUND') {
      throw error;
    }
    return false;
  } finally {
    stream.destroy();
  }
}

/** A connection to the proxy, which has said who it is. @throws TlsError (rejects) `CONNECT_*`, `TLSPROXY_PROTOCOL` */
export async function openProxy(path: string): Promise<Connection> {
  const stream = await Connection.connect({ path, timeout: connectTimeout });
  stream.on('error', () => undefined); // told by readLine()
  try {
    const { protocol, version } = await lineInTime(stream, connectTimeout);
    if (protocol !== announcement.protocol || version !== announcement.version) {
      throw violation(`the service at ${path} is no tlsproxy of mxtls`);
    }
    return stream;
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** What the proxy says of a socket that was passed to it. @throws TlsError (rejects) `TLSPROXY_PROTOCOL` */
export async function answerOf(
  stream: Connection,
  request: ServerRequest | ClientRequest,
): Promise<SessionAnswer | RefusedAnswer> {
  const limit = ((request.handshakeTimeout ?? handshakeTimeout) + grace) * 1000;
  return readAnswer(await lineInTime(stream, limit));
}

function session(stream: Connection, answer: SessionAnswer | RefusedAnswer): ProxiedSession {
  if (isRefused(answer)) {
    const { error } = answer;
    const message = `tlsproxy: ${error.message}`;
    throw new TlsError({ code: 'TLSPROXY_REFUSED', message, cause: error });
  }
  const { id, uses, tls, state } = answer;
  return { stream, id, reused: uses > 0, uses, tls, state };
}

async function lineInTime(stream: Connection, limit: number): Promise<Record<string, unknown>> {
  const late = (): void => void stream.destroy(violation(`no answer in ${limit / 1000} s`));
  stream.once('timeout', late).setDeadline(limit);
  try {
    return await readLine(stream);
  } finally {
    stream.off('timeout', late);
    if (!stream.destroyed) {
      stream.setDeadline(0);
    }
  }
}
