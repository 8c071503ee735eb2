/** Requests in flight at once: a daemon takes together what comes together, and answers so many long before its deadline. */
const MAX_IN_FLIGHT = 32;

/**
 * Maps items with at most MAX_IN_FLIGHT at work. Results keep the order of the items. The first failure ends
 * the taking of further items and is thrown once those at work are done.
 */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results = new Map<number, Result>();
  const failures: unknown[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (failures.length > 0) return;
      try {
        results.set(index, await work(item));
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_IN_FLIGHT, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return [...results.entries()].sort(([left], [right]) => left - right).map(([, result]) => result);
}
