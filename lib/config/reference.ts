/**
 * References to parameters in a text, as main.cf has them: how they are written.
 *
 * `$name`, `${name}` and `$(name)`; `${name?text}`, `${name:text}` and `${name?{text}:{text}}` for a parameter that is
 * empty or not; `${{a} == {b} ? {text} : {text}}` for a comparison. `$$` is a dollar sign. What they stand for is
 * `expand.ts`'s.
 */

/** An operator, and whether it compares releases (`<level`). */
export interface Comparison {
  readonly left: string;
  readonly operator: string;
  readonly releases: boolean;
  readonly right: string;
}

export interface Reference {
  /** What is asked for: a parameter by name, or a comparison. */
  readonly subject: string | Comparison;
  /** Texts for yes and no, unexpanded; both null: the subject's own value. */
  readonly yes: string | null;
  readonly no: string | null;
}

/** A reference with its place, or what is wrong with the text there. */
export type Found =
  | { readonly ok: true; readonly reference: Reference; readonly end: number }
  | { readonly ok: false; readonly problem: string };

const closing: Readonly<Record<string, string>> = { '{': '}', '(': ')' };

/** Reads the reference at a dollar sign (not `$$`). */
export function readReference(text: string, dollar: number): Found {
  const open = text[dollar + 1] ?? '';
  if (closing[open] === undefined) {
    const name = nameAt(text, dollar + 1);
    return name === ''
      ? { ok: false, problem: '"$" is no parameter' }
      : { ok: true, reference: plain(name), end: dollar + 1 + name.length };
  }
  const end = closingAt(text, dollar + 1);
  if (end === null) {
    return { ok: false, problem: `"${excerpt(text.slice(dollar))}" is not closed` };
  }
  const reference = parseBody(text.slice(dollar + 2, end - 1));
  return reference === null
    ? { ok: false, problem: `"${excerpt(text.slice(dollar, end))}" is no reference to a parameter` }
    : { ok: true, reference, end };
}

/** The names that a text refers to, in conditions and branches, too. */
export function referredNames(text: string): readonly string[] {
  return [...text.matchAll(/\$\$|\$[({]?\s*([A-Za-z0-9_]+)/g)].flatMap(([, name]) => name ?? []);
}

function plain(name: string): Reference {
  return { subject: name, yes: null, no: null };
}

function nameAt(text: string, at: number): string {
  const pattern = /[A-Za-z0-9_]+/y;
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

/** Behind the bracket that closes the one at `at`, or null. Only brackets of the same kind count. */
function closingAt(text: string, at: number): number | null {
  const open = text[at] ?? '';
  const close = closing[open];
  let depth = 0;
  for (let i = at; i < text.length; i += 1) {
    if (text[i] === open) {
      depth += 1;
    } else if (text[i] === close) {
      depth -= 1;
      if (depth === 0) {
        return i + 1;
      }
    }
  }
  return null;
}

/** What stands between the brackets; null: nothing that makes sense. */
function parseBody(body: string): Reference | null {
  const start = skipBlanks(body, 0);
  if (body[start] === '{') {
    const found = parseComparison(body, start);
    return found === null ? null : parseBranches(found.comparison, body.slice(found.end));
  }
  const name = nameAt(body, start);
  return name === '' ? null : parseBranches(name, body.slice(start + name.length));
}

function parseComparison(
  body: string,
  start: number,
): { readonly comparison: Comparison; readonly end: number } | null {
  const left = braced(body, start);
  if (left === null) {
    return null;
  }
  const pattern = /\s*(==|!=|<=|>=|<|>)(level)?/y;
  pattern.lastIndex = left.end;
  const match = pattern.exec(body);
  const right = match === null ? null : braced(body, skipBlanks(body, pattern.lastIndex));
  if (match?.[1] === undefined || right === null) {
    return null;
  }
  const releases = match[2] !== undefined;
  return {
    comparison: { left: left.text, operator: match[1], releases, right: right.text },
    end: right.end,
  };
}

function parseBranches(subject: string | Comparison, rest: string): Reference | null {
  const at = skipBlanks(rest, 0);
  switch (rest[at]) {
    case undefined:
      return { subject, yes: null, no: null };
    case ':': {
      const no = lastBranch(rest, at + 1);
      return no === null ? null : { subject, yes: null, no };
    }
    case '?':
      return parseThen(subject, rest, at + 1);
    default:
      return null;
  }
}

/** After the question mark: a text in braces may be followed by a colon and another one. */
function parseThen(subject: string | Comparison, rest: string, at: number): Reference | null {
  const yes = braced(rest, skipBlanks(rest, at));
  if (yes === null) {
    return { subject, yes: rest.slice(at), no: null };
  }
  const next = skipBlanks(rest, yes.end);
  if (next === rest.length) {
    return { subject, yes: yes.text, no: null };
  }
  const no = rest[next] === ':' ? lastBranch(rest, next + 1) : null;
  return no === null ? null : { subject, yes: yes.text, no };
}

/** A text in braces with nothing behind it, or everything that is left. */
function lastBranch(rest: string, at: number): string | null {
  const text = braced(rest, skipBlanks(rest, at));
  if (text === null) {
    return rest.slice(at);
  }
  return skipBlanks(rest, text.end) === rest.length ? text.text : null;
}

function braced(text: string, at: number): { readonly text: string; readonly end: number } | null {
  const end = text[at] === '{' ? closingAt(text, at) : null;
  return end === null ? null : { text: text.slice(at + 1, end - 1), end };
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] ?? '')) {
    at += 1;
  }
  return at;
}

function excerpt(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}...`;
}
