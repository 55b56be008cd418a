/** The right-hand side of a policy table, `LEVEL [name=value] [{ name = value }] ...`, taken apart. */

export type Attribute =
  | {
      /** As it stands there, for messages. */
      readonly text: string;
      readonly name: string;
      readonly value: string;
    }
  | { readonly text: string; readonly fault: string };

/** Elements at commas and white space outside braces. A brace that is not closed takes all that follows. */
export function policyElements(text: string): readonly string[] {
  const elements: string[] = [];
  let depth = 0;
  let element = '';
  for (const letter of text) {
    if (depth === 0 && /[\s,]/.test(letter)) {
      elements.push(element);
      element = '';
      continue;
    }
    element += letter;
    if (letter === '{') {
      depth += 1;
    } else if (letter === '}' && depth > 0) {
      depth -= 1;
    }
  }
  return [...elements, element].filter((found) => found !== '');
}

export function readAttribute(element: string): Attribute {
  if (!element.startsWith('{')) {
    return nameAndValue(element);
  }
  const end = closingBrace(element);
  const inner = element.slice(1, end < 0 ? undefined : end).trim();
  if (end < 0) {
    return { text: inner, fault: `missing '}' in "${element}"` };
  }
  if (end < element.length - 1) {
    return { text: inner, fault: `syntax error after '}' in "${element}"` };
  }
  return nameAndValue(inner.replace(/\s+/g, ' '));
}

function closingBrace(text: string): number {
  let depth = 0;
  for (const [i, letter] of [...text].entries()) {
    depth += letter === '{' ? 1 : letter === '}' ? -1 : 0;
    if (depth === 0) {
      return [...text].slice(0, i).join('').length;
    }
  }
  return -1;
}

function nameAndValue(text: string): Attribute {
  const match = /^([^\s=]*)\s*(=?)(.*)$/s.exec(text);
  const [, name = '', equals, value = ''] = match ?? [];
  if (name === '') {
    return { text, fault: 'missing attribute name' };
  }
  if (equals === '') {
    return { text, fault: "missing '=' after attribute name" };
  }
  return { text, name, value: value.trim() };
}
