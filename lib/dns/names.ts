// Domain names as this folder passes them on: A-labels, lower case, no final dot.

/**
 * A name in canonical form.
 *
 * @returns null for a name that DNS cannot carry: empty, a label of more than 63 bytes, more than
 * 253 bytes in all, or a byte that is not printable ASCII (RFC 1035, section 2.3.4)
 */
export function canonicalName(name: string): string | null {
  const lower = (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
  return lower.length <= 253 && /^[!-~]+$/.test(lower) && lower.split('.').every(isLabel)
    ? lower
    : null;
}

function isLabel(label: string): boolean {
  return label.length > 0 && label.length <= 63;
}
