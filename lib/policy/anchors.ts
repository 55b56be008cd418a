/**
 * Trust-anchor files, as far as a policy depends on them: a file that has no certificate and no public key makes the
 * policy invalid. The native side loads what is in them.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { systemErrorText } from '../log/system-error.js';

/**
 * That a file can be used.
 *
 * @returns null for a good one, else a warning; Postfix has none for a file without anchors
 */
export async function anchorFileFault(file: string): Promise<string | null> {
  let content: string;
  try {
    content = await readFile(file, 'latin1');
  } catch (error) {
    const reason = systemErrorText((error as { errno?: number }).errno ?? 0);
    return `error opening trust anchor file: ${file}: ${reason}`;
  }
  const blocks = [...content.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g)];
  if (blocks.length === 0) {
    return `no trust anchors in file: ${file}`;
  }
  const bad = blocks.find(([block, label]) => !isUsable(block, label ?? ''));
  return bad === undefined ? null : `error reading: ${file}: malformed trust-anchor`;
}

/** Other objects are passed over. */
function isUsable(block: string, label: string): boolean {
  try {
    if (/CERTIFICATE$/.test(label) && label !== 'ATTRIBUTE CERTIFICATE') {
      new X509Certificate(block);
    } else if (label === 'PUBLIC KEY') {
      createPublicKey(block);
    }
    return true;
  } catch {
    return false;
  }
}
