/**
 * `$name` in the text of a parameter: stands for the value of another one.
 *
 * `$name`, `${name}` and `$(name)`; `$$` is a dollar sign. A name that nothing is known of, or a parameter that refers
 * to itself, is an error.
 */
import { TlsError } from '../errors.js';

/**
 * @param lookup the unexpanded text of a parameter; null when there is no such parameter
 * @throws TlsError `INVALID_PARAMETER`
 */
export function expand(
  name: string,
  text: string,
  lookup: (name: string) => string | null,
  path: readonly string[] = [],
): string {
  if (path.includes(name)) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `${name}: the value refers to itself: ${[...path, name].join(' -> ')}`,
    });
  }
  return text.replace(/\$(?:(\$)|([A-Za-z0-9_]+)|\{([^{}]*)\}|\(([^()]*)\)|)/g, (...match) => {
    if (match[1] !== undefined) {
      return '$';
    }
    const reference: string = match[2] ?? match[3] ?? match[4] ?? '';
    const value = /^[A-Za-z0-9_]+$/.test(reference) ? lookup(reference) : null;
    if (value === null) {
      throw new TlsError({
        code: 'INVALID_PARAMETER',
        message: `${name}: "${match[0]}" is no parameter`,
        suggestion: 'write "$$" for a dollar sign',
      });
    }
    return expand(reference, value, lookup, [...path, name]);
  });
}
