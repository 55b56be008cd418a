/**
 * `$name` in the text of a parameter: stands for the value of another one; see `reference.ts` for all forms.
 *
 * A name that nothing is known of, and a parameter that refers to itself, are errors. Where a condition asks for it,
 * an unknown name is an empty one. Branches that are not taken are not looked at.
 */
import { TlsError } from '../errors.js';
import { type Comparison, type Reference, readReference } from './reference.js';

/** The unexpanded text of a parameter; null when there is no such parameter. */
export type Lookup = (name: string) => string | null;

/** Bounds for hostile texts: brackets in brackets, and characters looked at in all. */
const maxDepth = 100;
const maxWork = 1_000_000;

/**
 * The text with what its references stand for.
 *
 * @param name the parameter whose text it is
 * @throws TlsError `INVALID_PARAMETER`
 */
export function expand(name: string, text: string, lookup: Lookup): string {
  return text.includes('$') ? new Expansion(lookup).run(text, [name], 0) : text;
}

class Expansion {
  readonly #lookup: Lookup;
  #work = 0;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  /** @param path the parameters that lead here, from the one asked for */
  run(text: string, path: readonly string[], depth: number): string {
    this.#work += text.length + 1;
    if (this.#work > maxWork || depth > maxDepth) {
      throw invalid(path, 'the references are nested too deep or too many');
    }
    let result = '';
    let at = 0;
    for (let dollar = text.indexOf('$'); dollar >= 0; dollar = text.indexOf('$', at)) {
      result += text.slice(at, dollar);
      if (text[dollar + 1] === '$') {
        result += '$';
        at = dollar + 2;
        continue;
      }
      const found = readReference(text, dollar);
      if (!found.ok) {
        throw invalid(path, found.problem, 'write "$$" for a dollar sign');
      }
      result += this.#evaluate(found.reference, path, depth + 1);
      at = found.end;
    }
    return result + text.slice(at);
  }

  #evaluate(reference: Reference, path: readonly string[], depth: number): string {
    const { subject, yes, no } = reference;
    const isPlain = yes === null && no === null;
    if (typeof subject === 'string') {
      const value = this.#value(subject, path, depth, isPlain);
      return isPlain ? value : this.#branch(value !== '', reference, path, depth);
    }
    const holds = this.#holds(subject, path, depth);
    return isPlain ? trueOrEmpty(holds) : this.#branch(holds, reference, path, depth);
  }

  #branch(holds: boolean, { yes, no }: Reference, path: readonly string[], depth: number): string {
    return this.run((holds ? yes : no) ?? '', path, depth);
  }

  #value(name: string, path: readonly string[], depth: number, mustExist: boolean): string {
    if (path.includes(name)) {
      throw invalid(path, `the value refers to itself: ${[...path, name].join(' -> ')}`);
    }
    const text = this.#lookup(name);
    if (text === null && mustExist) {
      throw invalid(path, `"$${name}" is no parameter`, 'write "$$" for a dollar sign');
    }
    return this.run(text ?? '', [...path, name], depth);
  }

  #holds(comparison: Comparison, path: readonly string[], depth: number): boolean {
    const left = this.run(comparison.left, path, depth);
    const right = this.run(comparison.right, path, depth);
    const order = comparison.releases
      ? compareNumbers(releaseNumbers(left, path), releaseNumbers(right, path))
      : compare(left, right);
    switch (comparison.operator) {
      case '==':
        return order === 0;
      case '!=':
        return order !== 0;
      case '<':
        return order < 0;
      case '<=':
        return order <= 0;
      case '>':
        return order > 0;
      default:
        return order >= 0;
    }
  }
}

/** What a comparison without branches stands for. */
function trueOrEmpty(holds: boolean): string {
  return holds ? 'true' : '';
}

/** Two numbers as numbers, everything else as text, byte by byte. */
function compare(left: string, right: string): number {
  if (/^\d+$/.test(left) && /^\d+$/.test(right)) {
    return compareNumbers([BigInt(left)], [BigInt(right)]);
  }
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function compareNumbers(left: readonly bigint[], right: readonly bigint[]): number {
  for (const [i, number] of left.entries()) {
    const other = right[i] ?? 0n;
    if (number !== other) {
      return number < other ? -1 : 1;
    }
  }
  return 0;
}

/** `3.11` as numbers, three of them. */
function releaseNumbers(text: string, path: readonly string[]): readonly bigint[] {
  if (!isRelease(text)) {
    throw invalid(path, `"${text}" is no release of Postfix`, 'write one such as 3.11');
  }
  const numbers = text.split('.').map(BigInt);
  return [...numbers, 0n, 0n].slice(0, 3);
}

/** `3`, `3.11`, `3.11.1` */
export function isRelease(text: string): boolean {
  return /^\d{1,9}(?:\.\d{1,9}){0,2}$/.test(text);
}

function invalid(path: readonly string[], what: string, suggestion?: string): TlsError {
  return new TlsError({
    code: 'INVALID_PARAMETER',
    message: `${path.at(-1)}: ${what}`,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}
