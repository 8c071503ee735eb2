/** Requests in flight at once: enough to hide a round trip, too few to be a burden to the daemon. */
const MAX_IN_FLIGHT = 8;

/**
 * The same for requests about single units that cost any daemon little: it takes together what comes together, and answers
 * so many long before a request times out.
 */
export const UNITS_IN_FLIGHT = 64;

/**
 * Maps items with at most `atOnce` at work. Results keep the order of the items. The first failure ends
 * the taking of further items and is thrown once those at work are done.
 */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  atOnce: number = MAX_IN_FLIGHT,
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
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return [...results.entries()].sort(([left], [right]) => left - right).map(([, result]) => result);
}
