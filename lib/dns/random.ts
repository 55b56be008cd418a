// Chance, injected so that tests can do without it.

/** A number from 0 to `below` - 1. */
export type Random = (below: number) => number;

/** Fisher-Yates. */
export function shuffle<Item>(items: readonly Item[], random: Random): readonly Item[] {
  const left = [...items];
  return items.flatMap(() => left.splice(random(left.length), 1));
}
