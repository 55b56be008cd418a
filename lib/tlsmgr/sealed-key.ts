/**
 * A ticket key as JavaScript, sockets and stores see it: under the wrapping key, with its name and times readable and
 * authenticated.
 *
 * 128 bytes, numbers big-endian (`native/glue_ticket_key.c` makes and opens them):
 *
 * | at | bytes | what |
 * |---|---|---|
 * | 0 | 4 | `mxt1`: what it is, and its version |
 * | 4 | 16 | name: 8 of the cluster, 8 random |
 * | 20 | 8 | active from, milliseconds since 1970 |
 * | 28 | 8 | expires: last millisecond of issue, exclusive |
 * | 36 | 12 | nonce |
 * | 48 | 64 | cipher key and HMAC key, AES-256-GCM |
 * | 112 | 16 | tag, over all that is before it |
 */

/** The whole blob. To be compared by its {@link SealedKeyInfo.name}: sealed twice it is other bytes. */
export type SealedKey = Uint8Array;

export const sealedKeyLength = 128;

/** What anybody may read of a sealed key; only who has the wrapping key knows that it is true. */
export interface SealedKeyInfo {
  /** 32 digits, lower case. */
  readonly name: string;
  /** From then on new tickets are made with it. Milliseconds since 1970. */
  readonly activeFrom: number;
  /** From then on no more; tickets made with it are taken for as long again, see {@link SealedKeyInfo.retires}. */
  readonly expires: number;
  /** From then on it is of no use: `expires` and the time that it was in use. */
  readonly retires: number;
}

const magic = 'mxt1';

/** Byte by byte, in the same order. */
export function sameKeys(a: readonly SealedKey[], b: readonly SealedKey[]): boolean {
  return a.length === b.length && a.every((key, i) => Buffer.compare(key, b[i] ?? none) === 0);
}

const none: SealedKey = new Uint8Array(0);

/** Null: not a sealed key, or one of a version to come. */
export function sealedKeyInfo(sealed: unknown): SealedKeyInfo | null {
  if (!(sealed instanceof Uint8Array) || sealed.length !== sealedKeyLength) {
    return null;
  }
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
  const activeFrom = Number(bytes.readBigUInt64BE(20));
  const expires = Number(bytes.readBigUInt64BE(28));
  const plausible = activeFrom < expires && expires <= latest;
  if (bytes.toString('latin1', 0, magic.length) !== magic || !plausible) {
    return null;
  }
  const name = bytes.toString('hex', 4, 20);
  return { name, activeFrom, expires, retires: 2 * expires - activeFrom };
}

/** What a Date holds. */
const latest = 8.64e15;
