/** What a key has: read like a Set. */
export interface Values extends Iterable<string> {
  readonly size: number;
  has(value: string): boolean;
}

const nothing: Values = new Set();

/** Most keys have one value, and a Set takes several times the room of a text. */
class OneValue implements Values {
  readonly size = 1;
  readonly value: string;

  constructor(value: string) {
    this.value = value;
  }

  has(value: string): boolean {
    return value === this.value;
  }

  [Symbol.iterator](): Iterator<string> {
    return [this.value][Symbol.iterator]();
  }
}

/** Key → set of texts. A key without values takes no room. */
export class Multimap {
  readonly #values = new Map<string, OneValue | Set<string>>();

  get(key: string): Values {
    return this.#values.get(key) ?? nothing;
  }

  has(key: string, value: string): boolean {
    return this.#values.get(key)?.has(value) ?? false;
  }

  add(key: string, value: string): void {
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, new OneValue(value));
    else if (known instanceof Set) known.add(value);
    else if (!known.has(value)) this.#values.set(key, new Set([known.value, value]));
  }

  delete(key: string, value: string): void {
    const known = this.#values.get(key);
    if (known === undefined || !known.has(value)) return;
    if (known instanceof Set && known.size > 1) known.delete(value);
    else this.#values.delete(key);
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }
}
