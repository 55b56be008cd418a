/**
 * Where native code calls in: one list of functions per environment, handed over once, each of which
 * passes on to the `owner` of the object concerned.
 *
 * An owner is an engine's session, a listener, or a {@link Connection}; whoever makes a native object
 * sets it at once. An event for an object without an owner is dropped: its owner has let go of it.
 */
import { addon } from './addon.js';
import { TlsError } from './errors.js';
import type {
  Admission,
  NativeConnection,
  NativeContext,
  NativeListener,
  NativeNotice,
  QuestionAnswer,
  QuestionKind,
} from './native.js';

/** What a native connection reports; see {@link NativeCallbacks} for when. */
export interface ConnectionOwner {
  /** Outgoing connections only: it stands (null), or it failed and is closed. */
  onConnect?(error: TlsError | null): void;
  /** `length` bytes are at the start of `slab` until this call returns. */
  onRead(slab: Buffer, length: number): void;
  /** The peer ended its side. */
  onEnd(): void;
  /** What was pending is written. */
  onDrain(): void;
  /** `startTls` is done; after an error the connection is closed. */
  onHandshake(error: TlsError | null): void;
  /** The time limit passed and is disarmed. */
  onTimeout(): void;
  /** The connection is closed; last call. */
  onClose(error: TlsError | null): void;
}

/** What a native listener reports. */
export interface ListenerOwner {
  onAccept(connection: NativeConnection): void;
  /** A client of a wrappermode listener that asks: true for a handshake, or one without tickets. */
  onAdmit(address: string): Admission;
  /** So many clients found the listener full. */
  onTurnedAway(count: number): void;
  /** A wrappermode handshake failed; there is no connection. */
  onHandshakeFailure(
    error: TlsError,
    address: string,
    port: number,
    notices: readonly NativeNotice[] | null,
    trace: string | null,
  ): void;
  /** Accepting failed; the listener goes on. */
  onAcceptError(error: TlsError): void;
}

/** Answers one question of a suspended handshake, by {@link NativeAddon.answer}'s rules. */
export type QuestionHandler = (
  kind: QuestionKind,
  data: Buffer,
  answer: (value: QuestionAnswer) => void,
) => void;

const questionHandlers = new WeakMap<NativeContext, QuestionHandler>();

/** Sets who answers for a context; without a handler every answer is "nothing special". */
export function setQuestionHandler(context: NativeContext, handler: QuestionHandler): void {
  questionHandlers.set(context, handler);
}

function connectionOwner(connection: NativeConnection): ConnectionOwner | null {
  return (connection.owner as ConnectionOwner | null | undefined) ?? null;
}

function listenerOwner(listener: NativeListener): ListenerOwner | null {
  return (listener.owner as ListenerOwner | null | undefined) ?? null;
}

/** The property becomes the object's own, where it was its prototype's: V8 then changes it in a tenth of the time. */
function keepOpen(connection: NativeConnection): void {
  connection.open = true;
}

function ask(context: NativeContext, token: number, kind: QuestionKind, data: Buffer): void {
  const handler = questionHandlers.get(context);
  if (handler === undefined) {
    addon.answer(token, null);
    return;
  }
  handler(kind, data, (value) => addon.answer(token, value));
}

/** Reads land at the start of this; what is needed later must be copied. */
export const slab: Buffer = addon.initialize({
  makeError: (info) => TlsError.fromNative(info),
  onAdmit: (listener, address) => listenerOwner(listener)?.onAdmit(address) ?? false,
  onTurnedAway: (listener, count) => listenerOwner(listener)?.onTurnedAway(count),
  onAccept: (listener, connection) => {
    const owner = listenerOwner(listener);
    if (owner === null) {
      connection.destroy();
    } else {
      keepOpen(connection);
      owner.onAccept(connection);
    }
  },
  onHandshakeFailure: (listener, error, address, port, notices, trace) =>
    listenerOwner(listener)?.onHandshakeFailure(error as TlsError, address, port, notices, trace),
  onAcceptError: (listener, error) => listenerOwner(listener)?.onAcceptError(error as TlsError),
  onConnect: (connection, error) => {
    if (error === null) {
      keepOpen(connection);
    }
    connectionOwner(connection)?.onConnect?.(error as TlsError | null);
  },
  onRead: (connection, length) => connectionOwner(connection)?.onRead(slab, length),
  onEnd: (connection) => connectionOwner(connection)?.onEnd(),
  onDrain: (connection) => connectionOwner(connection)?.onDrain(),
  onHandshake: (connection, error) =>
    connectionOwner(connection)?.onHandshake(error as TlsError | null),
  onTimeout: (connection) => connectionOwner(connection)?.onTimeout(),
  onClose: (connection, error) => connectionOwner(connection)?.onClose(error as TlsError | null),
  onQuestion: ask,
});
