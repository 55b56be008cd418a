/**
 * The parts of one piece of work, so many at a time, in order of their begin.
 */

/** Ends when all have ended; rejects with the first error then. `limit` 0: all at once. */
export async function sideBySide<Item>(
  items: readonly Item[],
  limit: number,
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  const [only] = items;
  if (only !== undefined && items.length === 1) {
    return work(only, 0);
  }
  const left = items.entries();
  const oneByOne = async (): Promise<void> => {
    for (const [index, item] of left) {
      await work(item, index);
    }
  };
  const width = limit === 0 ? items.length : Math.min(limit, items.length);
  const ends = await Promise.allSettled(Array.from({ length: width }, oneByOne));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}
