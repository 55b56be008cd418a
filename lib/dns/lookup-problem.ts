// Why there is no address, in Postfix's words, and what several such reasons come to.
import type { DnsFailure, DnsNone } from './answer.js';
import type { QuestionType } from './message.js';

export interface LookupProblem {
  readonly kind: 'problem';
  /** Enhanced status code; its class tells whether to defer (4) or to bounce (5). */
  readonly dsn: string;
  readonly text: string;
  /** What DNS said, when it said that it does not know: `bogus` is one of the reasons. */
  readonly failure: DnsFailure | null;
}

export function invalidName(name: string): LookupProblem {
  const text = `Name service error for ${name}: invalid host or domain name`;
  return { kind: 'problem', dsn: '5.4.4', text, failure: null };
}

/** A look-up that found nothing: what cannot be known now is deferred, what does not exist is bounced. */
export function nameServiceError(
  name: string,
  type: QuestionType,
  result: DnsNone | DnsFailure,
): LookupProblem {
  const text = `Name service error for name=${name} type=${type}: ${reasonOf(result)}`;
  const malformed = result.kind === 'failure' && result.reason === 'malformed';
  return {
    kind: 'problem',
    dsn: result.kind === 'failure' ? '4.4.3' : '5.4.4',
    text: malformed ? text : `Host or domain name not found. ${text}`,
    failure: result.kind === 'failure' ? result : null,
  };
}

function reasonOf(result: DnsNone | DnsFailure): string {
  if (result.kind === 'none') {
    return result.reason === 'nxdomain'
      ? 'Host not found'
      : 'Host found but no data record of requested type';
  }
  return result.reason === 'malformed'
    ? 'Malformed or unexpected name server reply'
    : 'Host not found, try again';
}

/**
 * The reasons of all hosts together. The last one gives the text; one that may pass makes the whole
 * temporary.
 */
export function combined(problems: readonly LookupProblem[]): LookupProblem {
  const last = problems.at(-1) ?? { kind: 'problem', dsn: '5.4.4', text: '', failure: null };
  const soft = problems.some(({ dsn }) => dsn.startsWith('4'));
  const failure = problems.findLast((problem) => problem.failure !== null)?.failure ?? null;
  return { ...last, dsn: soft ? `4${last.dsn.slice(1)}` : last.dsn, failure };
}
