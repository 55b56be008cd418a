/** What the dialogue, with AUTH and mail transactions, needs of the exchange around it. */
import type { Reply } from '../smtp/reply.js';
import type { Answer, SmtpdSession } from './handlers.js';
import type { OfferedTo, Service } from './service.js';
import type { SessionLog, Subject } from './session-log.js';

/** A question to the user's callbacks. */
export interface Question {
  readonly call: () => Answer;
  /** Makes the reply's text from the answer. */
  readonly done: (reply: Reply | undefined) => string;
  /** Said when the callback throws. */
  readonly failed: string;
  /** What it is about, for the log of refusals; null: refusals are logged elsewhere. */
  readonly about: Subject | null;
}

export interface DialogueHost {
  readonly service: Service;
  readonly log: SessionLog;
  /** What callbacks get. */
  readonly client: SmtpdSession & OfferedTo;
  /** Runs a callback. Null: its reply comes later. */
  consult(question: Question): string | null;
}
