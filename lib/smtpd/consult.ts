/**
 * Calls a user's callback and makes the text of a reply of whatever comes back.
 *
 * Synchronous callbacks cost no promise. One that throws, rejects, or returns what is no reply
 * ends in the text that `failed` gives; nothing escapes.
 */
import { TlsError } from '../errors.js';
import { type Reply, replyProblem } from '../smtp/reply.js';
import type { Answer } from './handlers.js';

export type Done = (reply: Reply | undefined) => string;
export type Failed = (error: unknown) => string;

export function consult(call: () => Answer, done: Done, failed: Failed): string | Promise<string> {
  try {
    const answer = call();
    if (isPromise(answer)) {
      return answer.then((value) => done(checked(value))).catch(failed);
    }
    return done(checked(answer));
  } catch (error) {
    return failed(error);
  }
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
