/** xtext (RFC 3461 section 4): printable ASCII, everything else as `+XX`. */

/** Null for text that is not xtext, or that hides control characters. */
export function decodeXtext(text: string): string | null {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(text)) {
    return null;
  }
  const bytes = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  if (/[\u0000-\u001f\u007f]/.test(bytes)) {
    return null;
  }
  const decoded = Buffer.from(bytes, 'latin1').toString('utf8');
  return decoded.includes('\ufffd') ? null : decoded;
}

export function encodeXtext(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(
      /[^!-*,-<>-~]/g,
      (c) => `+${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
}
