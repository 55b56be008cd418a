/** Private keys with their certificate chains, parsed once and shared. */
import { addon } from '../addon.js';
import type { NativeChains } from '../native.js';
import { ensureLibrary } from '../tls/library.js';

export type { NativeChains } from '../native.js';

/**
 * Reads PEM: private key, certificate, issuers; as many such chains as there are key algorithms.
 *
 * @param origin where it is from, for errors
 * @throws TlsError `CHAIN_*`
 */
export function parseChains(pem: string | Uint8Array, origin: string): NativeChains {
  ensureLibrary();
  return addon.parseChains(typeof pem === 'string' ? Buffer.from(pem) : pem, origin);
}
