/**
 * Units to be looked at, each with a value, taken in the order of their seniority.
 *
 * The order is made once and holds until something is put in: taking a long backlog little by little costs no more
 * than taking it at once.
 */
export class Backlog<Value> {
  readonly #values = new Map<string, Value>();
  /** Descending, so that the next one is taken from the end; undefined when it has to be made anew. */
  #order: string[] | undefined;

  get size(): number {
    return this.#values.size;
  }

  has(unit: string): boolean {
    return this.#values.has(unit);
  }

  get(unit: string): Value | undefined {
    return this.#values.get(unit);
  }

  /** A unit is put in anew, too, when its seniority has changed. */
  set(unit: string, value: Value): void {
    this.#values.set(unit, value);
    this.#order = undefined;
  }

  [Symbol.iterator](): Iterator<[string, Value]> {
    return this.#values[Symbol.iterator]();
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }

  clear(): void {
    this.#values.clear();
    this.#order = undefined;
  }

  /** Takes up to `limit` out. `inOrder` sorts names, the senior first. */
  take(limit: number, inOrder: (units: Iterable<string>) => string[]): readonly (readonly [string, Value])[] {
    this.#order ??= inOrder(this.#values.keys()).reverse();
    const taken: (readonly [string, Value])[] = [];
    while (taken.length < limit) {
      const unit = this.#order.pop();
      if (unit === undefined) break;
      const value = this.#values.get(unit);
      if (value === undefined) continue;
      this.#values.delete(unit);
      taken.push([unit, value]);
    }
    return taken;
  }
}
