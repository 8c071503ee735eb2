/**
 * A set of strings kept in ascending order (UTF-16 code units), so that a page is a binary search and a slice.
 *
 * A change moves the tail of one array, which at 10 000 keys costs microseconds; rows of a snapshot arrive in
 * order and only ever append.
 */
export class SortedKeys {
  readonly #keys: string[] = [];

  get size(): number {
    return this.#keys.length;
  }

  /** The key at a position; undefined past the end. */
  at(position: number): string | undefined {
    return this.#keys[position];
  }

  add(key: string): void {
    const position = this.seek(key);
    if (this.#keys[position] !== key) this.#keys.splice(position, 0, key);
  }

  delete(key: string): void {
    const position = this.seek(key);
    if (this.#keys[position] === key) this.#keys.splice(position, 1);
  }

  /** Position of the first key that is not below `key`. */
  seek(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.#keys[middle];
      if (there !== undefined && there < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
