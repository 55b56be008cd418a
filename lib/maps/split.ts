/** Lists in which `{ ... }` keeps together what would be apart. */

/** The elements of a list at commas and blanks, but for those inside braces. */
export function splitOutsideBraces(text: string): readonly string[] {
  const elements: string[] = [];
  let depth = 0;
  let element = '';
  for (const letter of text) {
    depth += letter === '{' ? 1 : letter === '}' ? -1 : 0;
    if (depth <= 0 && /[\s,]/.test(letter)) {
      elements.push(element);
      element = '';
    } else {
      element += letter;
    }
  }
  return [...elements, element].filter((found) => found !== '');
}

/** What is between the braces of `{ ... }`, trimmed; null for anything else. */
export function insideBraces(text: string): string | null {
  return text.length >= 2 && text.startsWith('{') && text.endsWith('}')
    ? text.slice(1, -1).trim()
    : null;
}
