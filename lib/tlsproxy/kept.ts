/** TLS sessions that nobody uses just now, by the key of all that they depend on. */
import type { Connection } from '../connection.js';
import type { NativeClaims, NativeNotice } from '../native.js';

/** A session with a server that has gone from process to process. */
export interface LiveSession {
  readonly id: string;
  readonly peer: string;
  /** The outside. */
  readonly tls: Connection;
  readonly sessionTimeout: number;
  readonly claims: NativeClaims | null;
  readonly notices: readonly NativeNotice[];
  /** What the last requester has left for the next. */
  state: string | null;
  /** How often it was kept and taken. */
  uses: number;
  /** What is to happen when the requester ends its stream: null: the session ends, too. */
  keep: { readonly key: string; readonly idle: number; readonly state: string | null } | null;
}

interface Entry {
  readonly session: LiveSession;
  /** The session has gone, or says something that nobody has asked for. */
  readonly drop: () => void;
}

const signs = ['readable', 'end', 'error', 'close', 'timeout'] as const;

export class KeptSessions {
  readonly #byKey = new Map<string, Entry[]>();
  readonly #limit: number;
  #count = 0;

  /** @param limit of all sessions that wait; more are closed in the place of being kept */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  /** Keeps a session until somebody takes it, the peer says or ends something, or `idle` seconds have passed. */
  add(session: LiveSession, key: string, idle: number): void {
    if (this.#count >= this.#limit) {
      session.tls.end();
      return;
    }
    const entry = { session, drop: () => this.#drop(key, entry) };
    this.#count += 1;
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), entry]);
    for (const sign of signs) {
      session.tls.once(sign, entry.drop);
    }
    session.tls.setDeadline(idle * 1000);
  }

  /** The one that was kept last: it is the least likely to be closed soon. Null: there is none under this key. */
  take(key: string): LiveSession | null {
    const entry = this.#byKey.get(key)?.at(-1);
    if (entry === undefined) {
      return null;
    }
    this.#remove(key, entry);
    entry.session.tls.setDeadline(0);
    return entry.session;
  }

  /** Ends all that wait. */
  clear(): void {
    for (const entry of [...this.#byKey.values()].flat()) {
      entry.drop();
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#remove(key, entry);
    const { tls } = entry.session;
    tls.on('error', () => undefined); // it is being given up
    tls.resume();
    tls.end();
  }

  #remove(key: string, entry: Entry): void {
    const left = this.#byKey.get(key)?.filter((other) => other !== entry) ?? [];
    if (left.length === 0) {
      this.#byKey.delete(key);
    } else {
      this.#byKey.set(key, left);
    }
    this.#count -= 1;
    for (const sign of signs) {
      entry.session.tls.off(sign, entry.drop);
    }
  }
}
