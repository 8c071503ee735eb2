/** Order by code unit: the same on every machine, whatever its locale. */
export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The items in ascending order of their text, as a new array. */
export function sorted(items: Iterable<string>): string[] {
  return [...items].sort(compareText);
}

/** What decides which unit comes first. */
export interface Seniority {
  readonly name: string;
  readonly changedAt: number;
}

/** The unit changed first comes first, ties in order of name. */
export function bySeniority(left: Seniority, right: Seniority): number {
  return left.changedAt - right.changedAt || compareText(left.name, right.name);
}

/** Inserts into an ascending array; an equal item must not be there yet. */
export function insertSorted<Item>(
  items: Item[],
  item: Item,
  compare: (left: Item, right: Item) => number,
): void {
  const last = items.at(-1);
  // What comes in order needs no search.
  if (last === undefined || compare(last, item) < 0) items.push(item);
  else items.splice(lowerBound(items, item, compare), 0, item);
}

/** Where the first item is, at `from` or later, that does not come before this one. */
export function lowerBound<Item>(
  items: readonly Item[],
  item: Item,
  compare: (left: Item, right: Item) => number,
  from = 0,
): number {
  let low = from;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = items[middle];
    if (candidate !== undefined && compare(candidate, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
