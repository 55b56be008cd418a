/** Host names as Postfix judges them, with the words of its warnings; and in the form that DNS and certificates have. */
import { domainToASCII } from 'node:url';

/**
 * What is wrong with a host name, as `valid_hostname` says it.
 *
 * @returns null for a valid one; underscores are allowed, addresses are not
 */
export function hostNameFault(name: string): string | null {
  if (name === '') {
    return 'empty hostname';
  }
  const wrong = /[^A-Za-z0-9_.-]/.exec(name)?.[0];
  if (wrong !== undefined) {
    const [byte = 0] = Buffer.from(wrong);
    return `invalid character ${byte}(decimal): ${name.slice(0, 100)}`;
  }
  const shown = name.slice(0, 100);
  const labels = name.split('.');
  if (labels.slice(0, -1).includes('') || (labels.length > 1 && labels.at(-1) === '')) {
    return `misplaced dot: ${shown}`;
  }
  if (labels.some((label) => label.length > 63)) {
    return `hostname label too long: ${shown}`;
  }
  if (labels.some((label) => label.startsWith('-') || label.endsWith('-'))) {
    return `misplaced hyphen: ${shown}`;
  }
  return /^[\d.]+$/.test(name) ? `numeric hostname: ${shown}` : lengthFault(name);
}

function lengthFault(name: string): string | null {
  return name.length > 255 ? `bad length ${name.length} for ${name.slice(0, 100)}...` : null;
}

export function isHostName(name: string): boolean {
  return hostNameFault(name) === null;
}

/** Dots of other scripts (RFC 3490, section 3.1) to `.`: ideographic, full width, half width. */
export function asciiDots(name: string): string {
  return name.replace(/[\u3002\uff0e\uff61]/g, '.');
}

/**
 * A-label form, lower case, without final dot.
 *
 * @returns null for what has none; names in ASCII always have one, whatever is in them
 */
export function aLabels(name: string): string | null {
  const dotted = asciiDots(name).replace(/\.$/, '');
  if (/^[\x21-\x7e]*$/.test(dotted)) {
    return dotted.toLowerCase();
  }
  return domainToASCII(dotted) || null;
}

/** A next hop without `[ ]` and port. */
export function nexthopDomain(nexthop: string): string {
  const bracketed = /^\[(?:ipv6:)?([^\]]*)\]/i.exec(nexthop)?.[1];
  return bracketed ?? nexthop.replace(/:[^:]*$/, '');
}
