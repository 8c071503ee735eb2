const nothing: ReadonlySet<string> = new Set();

/** Key → set of texts. A key without values takes no room. */
export class Multimap {
  readonly #sets = new Map<string, Set<string>>();

  get(key: string): ReadonlySet<string> {
    return this.#sets.get(key) ?? nothing;
  }

  has(key: string, value: string): boolean {
    return this.#sets.get(key)?.has(value) ?? false;
  }

  add(key: string, value: string): void {
    const set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, new Set([value]));
    else set.add(value);
  }

  delete(key: string, value: string): void {
    const set = this.#sets.get(key);
    if (set === undefined) return;
    set.delete(value);
    if (set.size === 0) this.#sets.delete(key);
  }

  keys(): Iterable<string> {
    return this.#sets.keys();
  }
}
