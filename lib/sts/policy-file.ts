/**
 * The policy file of a domain (RFC 8461 section 3.2): lines `key: value`, and what its MX patterns match (section 4.1).
 */

import { trimBlanks } from './blanks.js';

export type StsMode = 'enforce' | 'testing' | 'none';

/** A valid policy file. */
export interface StsPolicyFile {
  readonly mode: StsMode;
  /** Lower case; a host name, or `*.` before one for exactly one label more. Never empty, unless the mode is `none`. */
  readonly mx: readonly string[];
  /** Seconds; at most {@link maxAgeLimit}. */
  readonly maxAge: number;
  /** The lines that count, as `key: value`: what TLSRPT reports and Postfix's `policy_string` show. */
  readonly strings: readonly string[];
}

/** What is wrong with a file, in one sentence. */
export interface InvalidPolicyFile {
  readonly problem: string;
}

/** One year (RFC 8461 section 3.2); more is taken as this much (erratum 7282 lets it be written). */
export const maxAgeLimit = 31_557_600;

const keyForm = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const patternForm = new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`);
// RFC 8461 `sts-policy-ext-value`: anything that can be seen, blanks between, UTF-8 included.
const valueForm = /^[^\p{Cc}\u2028\u2029]+$/u;

/** Lines end in LF or CRLF. Unknown keys are ignored; of a repeated key, but for `mx`, the first counts. */
export function parsePolicyFile(text: string): StsPolicyFile | InvalidPolicyFile {
  const fields = new Map<string, string>();
  const mx: string[] = [];
  const strings: string[] = [];
  for (const [at, line] of lines(text).entries()) {
    const colon = line.indexOf(':');
    const key = line.slice(0, Math.max(colon, 0));
    const value = trimBlanks(line.slice(colon + 1));
    if (!keyForm.test(key) || !valueForm.test(value)) {
      return { problem: `line ${at + 1} is not "key: value"` };
    }
    if (key === 'mx') {
      mx.push(value.toLowerCase());
    } else if (fields.has(key)) {
      continue;
    }
    fields.set(key, value);
    strings.push(`${key}: ${value}`);
  }
  return check(fields, mx, strings);
}

/** An empty line is no field, but files that end with several are common, and harmless. */
function lines(text: string): readonly string[] {
  const found = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  while (found.length > 0 && trimBlanks(found.at(-1) ?? '') === '') {
    found.pop();
  }
  return found;
}

function check(
  fields: ReadonlyMap<string, string>,
  mx: readonly string[],
  strings: readonly string[],
): StsPolicyFile | InvalidPolicyFile {
  const mode = fields.get('mode');
  const maxAge = fields.get('max_age');
  const badPattern = mx.find((pattern) => !isPattern(pattern));
  if (fields.get('version') !== 'STSv1') {
    return { problem: 'the version is not STSv1' };
  }
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') {
    return { problem: 'the mode is none of enforce, testing and none' };
  }
  if (maxAge === undefined || !/^[0-9]{1,10}$/.test(maxAge)) {
    return { problem: 'max_age is not a number of seconds' };
  }
  if (badPattern !== undefined) {
    return { problem: `"${badPattern.slice(0, 255)}" is no MX pattern` };
  }
  if (mx.length === 0 && mode !== 'none') {
    return { problem: 'there is no mx' };
  }
  return { mode, mx, maxAge: Math.min(Number(maxAge), maxAgeLimit), strings };
}

function isPattern(text: string): boolean {
  return text.length <= 255 && patternForm.test(text);
}

/** Whether a host name, in A-label form, is one that a pattern allows. */
export function matchesMxPattern(host: string, patterns: readonly string[]): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const parent = name.slice(name.indexOf('.') + 1);
  return patterns.some((pattern) =>
    pattern.startsWith('*.')
      ? name.includes('.') && !name.startsWith('.') && pattern.slice(2) === parent
      : pattern === name,
  );
}
