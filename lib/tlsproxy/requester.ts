/** The other side: a process that has TLS done by a tlsproxy. */
import type { Socket } from 'node:net';
import { takeSocket } from '../adopt.js';
import { Connection } from '../connection.js';
import { TlsError } from '../errors.js';
import type { TlsSnapshot } from '../snapshot.js';
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
}

/** Milliseconds for the service to answer the connection, as in Postfix. */
const connectTimeout = 10_000;

/**
 * Has a peer's TLS done by the proxy at `path`.
 *
 * @param peer connected, in the middle of STARTTLS; it is passed on, and is nobody's here afterwards: bytes that it has
 *   read and nobody has taken are dealt with as in `adoptSocket`
 * @throws TlsError (rejects) `CONNECT_FAILED`: no proxy, and the peer is as it was; `EARLY_PLAINTEXT`;
 *   `TLSPROXY_PROTOCOL`; `TLSPROXY_REFUSED`: what the proxy says the handshake failed with
 */
export async function tlsByProxy(
  path: string,
  peer: Socket,
  request: ServerRequest | ClientRequest,
): Promise<ProxiedSession> {
  const { stream, answer } = await ask(path, (to) =>
    takeSocket(peer, request.role, (fd) => to.sendDescriptor(fd, encodeLine(request))),
  );
  return session(stream, answer);
}

/** Takes a session over that another process has left; null: there is none. @throws TlsError (rejects) */
export async function takeProxied(path: string, key: string): Promise<ProxiedSession | null> {
  const { stream, answer } = await ask(path, (to) => writeLine(to, { role: 'take', key }));
  if (answer.ok !== true && answer.code === 'NOT_FOUND') {
    stream.destroy();
    return null;
  }
  return session(stream, answer);
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
  const { stream, answer } = await ask(path, (to) => writeLine(to, { role: 'keep', ...request }));
  stream.destroy();
  return answer.ok === true;
}

function session(stream: Connection, answer: Record<string, unknown>): ProxiedSession {
  const { ok, id, reused, uses, tls, message } = answer;
  if (ok !== true) {
    stream.destroy();
    throw new TlsError({ code: 'TLSPROXY_REFUSED', message: `tlsproxy: ${message}` });
  }
  return {
    stream,
    id: `${id}`,
    reused: reused === true,
    uses: Number(uses),
    tls: tls as TlsSnapshot,
  };
}

async function ask(
  path: string,
  say: (stream: Connection) => void,
): Promise<{ stream: Connection; answer: Record<string, unknown> }> {
  const stream = await Connection.connect({ path, timeout: connectTimeout });
  stream.on('error', () => undefined); // told by readLine()
  try {
    const { protocol, version } = await readLine(stream);
    if (protocol !== announcement.protocol || version !== announcement.version) {
      throw violation(`the service at ${path} speaks ${protocol} ${version}`);
    }
    say(stream);
    return { stream, answer: await readLine(stream) };
  } catch (error) {
    stream.destroy();
    throw error;
  }
}
