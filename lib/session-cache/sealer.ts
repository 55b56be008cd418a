/**
 * Sessions under a wrapping key, for stores that are not to know them: AES-256-GCM, tied to their id.
 *
 * 12 bytes of nonce, random, then the sealed session, then a tag of 16. Ids, which have host names in them, are keyed digests.
 * The two keys are derived from the wrapping key (HKDF-SHA256), which seals ticket keys itself.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { TlsError } from '../errors.js';

const nonceLength = 12;
const tagLength = 16;

export const wrappingKeyLength = 32;

export class Sealer {
  readonly #key: Buffer;
  readonly #idKey: Buffer;

  /** @throws TlsError `WRAPPING_KEY` */
  constructor(wrappingKey: Uint8Array) {
    if (wrappingKey.length !== wrappingKeyLength) {
      throw new TlsError({
        code: 'WRAPPING_KEY',
        message: `the wrapping key has ${wrappingKey.length} bytes`,
        suggestion: `make one of ${wrappingKeyLength}: openssl rand ${wrappingKeyLength} > FILE`,
      });
    }
    this.#key = derive(wrappingKey, 'mxtls sessions 1');
    this.#idKey = derive(wrappingKey, 'mxtls session ids 1');
  }

  /** @throws TlsError (rejects) `WRAPPING_KEY` */
  static async fromFile(file: string): Promise<Sealer> {
    try {
      return new Sealer(await readFile(file));
    } catch (error) {
      if (error instanceof TlsError) {
        throw error;
      }
      const message = `the wrapping key ${file} cannot be read: ${(error as Error).message}`;
      throw new TlsError({ code: 'WRAPPING_KEY', message, cause: error });
    }
  }

  /** What stands for an id in the store. */
  name(id: string): string {
    return createHmac('sha256', this.#idKey).update(id).digest('hex');
  }

  seal(id: string, session: Uint8Array): Buffer {
    const nonce = randomBytes(nonceLength);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(id));
    return Buffer.concat([nonce, cipher.update(session), cipher.final(), cipher.getAuthTag()]);
  }

  /** Null: it was altered, sealed under another key, or for another id. */
  open(id: string, sealed: Uint8Array): Buffer | null {
    const end = sealed.length - tagLength;
    if (end < nonceLength) {
      return null;
    }
    const nonce = sealed.subarray(0, nonceLength);
    const cipher = createDecipheriv('aes-256-gcm', this.#key, nonce)
      .setAAD(Buffer.from(id))
      .setAuthTag(sealed.subarray(end));
    try {
      return Buffer.concat([cipher.update(sealed.subarray(nonceLength, end)), cipher.final()]);
    } catch {
      return null;
    }
  }
}

function derive(wrappingKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', wrappingKey, '', purpose, 32));
}
