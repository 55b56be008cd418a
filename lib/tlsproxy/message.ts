/**
 * The protocol of the tlsproxy service: lines of JSON over a UNIX stream socket, then plaintext.
 *
 * ```
 * proxy      {"protocol":"mxtls-tlsproxy","version":1}
 * requester  {"role":"server","peer":"[192.0.2.1]:2525", ...}        with the socket's descriptor (SCM_RIGHTS)
 * proxy      {"ok":true,"id":"…","reused":false,"tls":{…}}           or {"ok":false,"begun":true,"code":"…","message":"…"}
 * ```
 *
 * After `ok` the stream is the inside of the TLS session; ending one's side of it ends the session with a close-notify.
 * Each line ends in LF and is no longer than 64 KiB; no byte may follow a request before its answer.
 */
import type { Connection } from '../connection.js';
import { TlsError } from '../errors.js';
import type { NativeClaims, NativeNotice } from '../native.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { CipherGrade } from '../tls/ciphers.js';
import type { ContextSettings } from '../tls/context-settings.js';
import type { TlsLevel } from '../tls/levels.js';

export const announcement = { protocol: 'mxtls-tlsproxy', version: 1 } as const;

/** Bytes without the line's end. */
export const longestLine = 64 * 1024;

/** What is asked for. Times in seconds. */
export type TlsproxyRequest = ServerRequest | ClientRequest | TakeRequest | KeepRequest;

interface Timed {
  /** `[ADDRESS]:PORT` of the peer, for the log. */
  readonly peer: string;
  /** For the handshake; default 300. */
  readonly handshakeTimeout?: number;
  /** Without a byte in either direction afterwards; default 300. The proxy adds 10 s, so that the requester's limit comes first. */
  readonly sessionTimeout?: number;
}

/** TLS with a client: send it after the `220` to its STARTTLS. Comes with the descriptor of its socket. */
export interface ServerRequest extends Timed {
  readonly role: 'server';
  /** Sessions resume within one service only; default `smtpd`. */
  readonly service?: string;
}

/** TLS with a server: send it after its `220` to STARTTLS. Comes with the descriptor of its socket. */
export interface ClientRequest extends Timed {
  readonly role: 'client';
  /** Name of the server. */
  readonly host: string;
  /** Default: the proxy's own. */
  readonly level?: TlsLevel;
  /** `>=TLSv1.2`; default, as for the two that follow: what the proxy has for such a level. */
  readonly protocols?: string;
  readonly ciphers?: CipherGrade;
  /** Ciphers, beside those that the level excludes. */
  readonly exclude?: readonly string[];
  /** Server name to send; empty: none. */
  readonly servername?: string;
  /** See `PeerMatch`. */
  readonly names?: readonly string[];
  readonly fingerprints?: readonly string[];
  /** TLSA records: usage, selector, matching type, data in hex. */
  readonly tlsa?: readonly (readonly [number, number, number, string])[];
  /** PEM files, which the proxy reads. */
  readonly trustAnchorFiles?: readonly string[];
  readonly enableRpk?: boolean;
  readonly forcedFailure?: boolean;
  /** What the requester's own context would be made of; the proxy refuses when its own is of something else. */
  readonly settings?: ContextSettings;
}

/** A session that another process has left; `{"ok":false,"code":"NOT_FOUND"}` if there is none. No descriptor. */
export interface TakeRequest {
  readonly role: 'take';
  /** The key it was kept under: all that it depends on. */
  readonly key: string;
}

/** Over a connection of its own: the session `id` is to be kept when the requester ends its stream. No descriptor. */
export interface KeepRequest {
  readonly role: 'keep';
  readonly id: string;
  readonly key: string;
  /** Seconds that it may wait for somebody; default 2, as Postfix's `smtp_connection_cache_time_limit`. */
  readonly idle?: number;
  /** For who takes the session: what the server has said it can do, for example. */
  readonly state?: string;
}

export type TlsproxyAnswer =
  | {
      readonly ok: true;
      /** Names the session in {@link KeepRequest}. */
      readonly id: string;
      readonly reused: boolean;
      /** How often the session was kept and taken. */
      readonly uses: number;
      readonly tls: TlsSnapshot | null;
      /** What the peer says it is; null without a certificate. */
      readonly claims: NativeClaims | null;
      /** What could not be matched. */
      readonly notices: readonly NativeNotice[];
      /** What {@link KeepRequest} had; null: nothing. */
      readonly state: string | null;
    }
  | Refusal;

export interface Refusal {
  readonly ok: false;
  /** The handshake had begun: the peer is lost. */
  readonly begun: boolean;
  /** With what follows, as in `TlsError`. */
  readonly code: string;
  readonly message: string;
  readonly reason: string | null;
  readonly library: string | null;
  readonly errno: number;
}

/** @param begun see {@link Refusal} */
export function refusal(error: TlsError, begun: boolean): Refusal {
  const { code, message, reason, library, errno } = error;
  return { ok: false, begun, code, message, reason, library, errno };
}

/** One line to the peer. */
export function writeLine(connection: Connection, value: object): void {
  connection.write(encodeLine(value));
}

export function encodeLine(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/**
 * The next line; what follows it stays in the stream.
 *
 * @throws TlsError (rejects) `PROTOCOL`: too long, no JSON object, or the stream has ended
 */
export async function readLine(connection: Connection): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let text = Buffer.alloc(0);
    const done = (outcome: () => void): void => {
      connection.off('readable', read).off('end', ended).off('close', ended).off('error', failed);
      outcome();
    };
    const ended = (): void => done(() => reject(violation('the other end has closed')));
    const failed = (error: Error): void => done(() => reject(error));
    const read = (): void => {
      for (let chunk = take(connection); chunk !== null; chunk = take(connection)) {
        const end = chunk.indexOf('\n');
        text = Buffer.concat([text, end < 0 ? chunk : chunk.subarray(0, end)]);
        if (text.length > longestLine) {
          done(() => reject(violation(`a line of more than ${longestLine} bytes`)));
          return;
        }
        if (end >= 0) {
          connection.unshift(chunk.subarray(end + 1));
          done(() => settle(text, resolve, reject));
          return;
        }
      }
    };
    connection.on('readable', read).on('end', ended).on('close', ended).on('error', failed);
    read();
  });
}

function take(connection: Connection): Buffer | null {
  return connection.read() as Buffer | null;
}

function settle(
  text: Buffer,
  resolve: (value: Record<string, unknown>) => void,
  reject: (error: TlsError) => void,
): void {
  try {
    const value: unknown = JSON.parse(text.toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      resolve(value as Record<string, unknown>);
      return;
    }
  } catch {
    // Told below.
  }
  reject(violation('a line that is no JSON object'));
}

export function violation(what: string): TlsError {
  return new TlsError({ code: 'TLSPROXY_PROTOCOL', message: `tlsproxy: ${what}` });
}
