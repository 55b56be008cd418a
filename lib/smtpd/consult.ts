/**
 * Calls a user's callback and makes the text of a reply of whatever comes back.
 *
 * Synchronous callbacks cost no promise. One that throws, rejects, or returns what is no reply
 * ends in the text that `failed` gives; nothing escapes.
 */
import { TlsError } from '../errors.js';
import { type Reply, replyProblem } from '../smtp/reply.js';
import type { Question } from './dialogue-host.js';
import type { Answer } from './handlers.js';
import type { SessionLog } from './session-log.js';

export type Done = (reply: Reply | undefined) => string;
export type Failed = (error: unknown) => string;

export function consult(call: () => Answer, done: Done, failed: Failed): string | Promise<string> {
  try {
    const answer = call();
    if (isPromise(answer)) {
      const settle = (value: Reply | undefined | void): string => {
        try {
          return done(checked(value));
        } catch (error) {
          return failed(error);
        }
      };
      return answer.then(settle, failed);
    }
    return done(checked(answer));
  } catch (error) {
    return failed(error);
  }
}

export interface Listener {
  readonly log: SessionLog;
  /** The command, as the log of refusals names it. */
  readonly where: string;
  /** The session goes on: a reply is still of use. */
  readonly open: () => boolean;
  /** Gets the reply's text when the callback has taken its time. */
  readonly late: (text: string) => void;
}

/** Asks a callback; logs its failure, and its refusal. Null: the text comes late. */
export function ask(question: Question, listener: Listener): string | null {
  const { call, done, failed, about } = question;
  const { log, where, open, late } = listener;
  const told = (text: string): void => {
    if (about !== null && text.charCodeAt(0) >= 0x34) {
      log.rejected(where, text, about); // "4" or "5"
    }
  };
  const text = consult(call, done, (error) => {
    log.callbackFailed(error);
    return failed;
  });
  if (typeof text === 'string') {
    told(text);
    return text;
  }
  text.then((value) => {
    if (open()) {
      told(value);
    }
    late(value);
  });
  return null;
}

function isPromise(answer: Answer): answer is Promise<Reply | undefined | void> {
  return typeof (answer as { then?: unknown } | undefined)?.then === 'function';
}

function checked(value: Reply | undefined | void): Reply | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  const problem = typeof value === 'object' ? replyProblem(value) : 'the answer is not a reply';
  if (problem !== null) {
    throw new TlsError({ code: 'INVALID_ARGUMENT', message: problem });
  }
  return value;
}
