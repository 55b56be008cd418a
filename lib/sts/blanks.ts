/**
 * Blanks around a value. Loops and not patterns: what trims the end of a line by a pattern takes the square of its length.
 */

/** `text` without spaces and tabs at both ends. */
export function trimBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text[from])) {
    from++;
  }
  while (to > from && isBlank(text[to - 1])) {
    to--;
  }
  return text.slice(from, to);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}
