/** Names in order, kept so while some come and go. */
export class SortedNames {
  #names: string[] = [];

  get all(): readonly string[] {
    return this.#names;
  }

  /** Makes these come and go; one of `added` that is there, or of `removed` that is not, changes nothing. */
  change(added: readonly string[], removed: readonly string[]): void {
    if (added.length + removed.length > 50) {
      const names = new Set(this.#names);
      for (const name of removed) names.delete(name);
      for (const name of added) names.add(name);
      this.#names = [...names].sort(byCodeUnit);
      return;
    }
    for (const name of removed) {
      const index = this.#indexOf(name);
      if (this.#names[index] === name) this.#names.splice(index, 1);
    }
    for (const name of added) {
      const index = this.#indexOf(name);
      if (this.#names[index] !== name) this.#names.splice(index, 0, name);
    }
  }

  /** Where the name is, or would be. */
  #indexOf(name: string): number {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#names[middle] ?? "") < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** As the server sorts, and much faster than by language. */
function byCodeUnit(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
