/**
 * Memory of large chunks that goes round: lent to who reads a message, and used again.
 *
 * Memory from `Buffer.allocUnsafe` costs V8 a collection of the whole heap for each 32 to 64 MiB of
 * it, and the kernel a fault for each page: half of what receiving a large message costs.
 */
import { slab } from '../dispatch.js';

/** What one read turn can bring, and a line end. */
const BLOCK = slab.length + 2;
/** Smaller chunks come out of Node's own pool, or nearly so: a block each would be memory wasted. */
const SMALL = 16 * 1024;
const MAX_SPARE = 8;

const spare: Buffer[] = [];

/** Memory of `size` bytes or more. */
export function take(size: number): Buffer {
  if (size < SMALL || size > BLOCK) {
    return Buffer.allocUnsafe(size);
  }
  return spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
}

/** Takes a block back by any part of it; whatever else it is given is left to V8. */
export function give(chunk: Buffer): void {
  if (chunk.buffer.byteLength === BLOCK && spare.length < MAX_SPARE) {
    spare.push(Buffer.from(chunk.buffer));
  }
}
