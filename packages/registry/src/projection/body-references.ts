import type { Entry } from "../changes.ts";

/** A record that refers to a unit file. */
interface Reference {
  readonly hash: string;
}

/** In place of a hash: which file it refers to cannot be read. */
const unreadable = Symbol("unreadable");

/** Unit → hash of the file that is referred to. */
type Referrers = Map<string, string | typeof unreadable>;

/**
 * Finds unit files that nothing refers to any more.
 *
 * Invariant: while a record that may refer to a unit file cannot be read, nothing is found.
 */
export class BodyReferences {
  /** Mod revision of each readable body. */
  readonly #bodies = new Map<string, number>();
  /** Unit → hash of its file. */
  readonly #units: Referrers = new Map();
  /** Machine → unit assigned there → hash of its file. */
  readonly #assignments = new Map<string, Referrers>();
  readonly #counts = new Map<string, number>();
  #unreadable = 0;
  readonly #unused = new Set<string>();

  applyBody(hash: string, entry: Entry<unknown>): void {
    // One that cannot be read stays: somebody may want to look at it.
    if (entry.status === "present") this.#bodies.set(hash, entry.modRevision);
    else this.#bodies.delete(hash);
    this.#review(hash);
  }

  applyUnit(unit: string, entry: Entry<Reference>): void {
    this.#apply(this.#units, unit, entry);
  }

  applyAssignment(machineId: string, unit: string, entry: Entry<Reference>): void {
    let ofMachine = this.#assignments.get(machineId);
    if (ofMachine === undefined) {
      ofMachine = new Map();
      this.#assignments.set(machineId, ofMachine);
    }
    this.#apply(ofMachine, unit, entry);
    if (ofMachine.size === 0) this.#assignments.delete(machineId);
  }

  /** Up to `limit` bodies to collect, each with the mod revision at which it was unused. */
  unused(limit: number): readonly { readonly hash: string; readonly modRevision: number }[] {
    if (this.#unreadable > 0) return [];
    const found: { readonly hash: string; readonly modRevision: number }[] = [];
    for (const hash of this.#unused) {
      if (found.length === limit) break;
      const modRevision = this.#bodies.get(hash);
      if (modRevision !== undefined) found.push({ hash, modRevision });
    }
    return found;
  }

  /** An attempt to collect was made: it is tried again only when the body or a referrer changes. */
  attempted(hash: string): void {
    this.#unused.delete(hash);
  }

  #apply(referrers: Referrers, unit: string, entry: Entry<Reference>): void {
    const former = referrers.get(unit);
    const hash =
      entry.status === "present" ? entry.value.hash : entry.status === "corrupt" ? unreadable : undefined;
    if (former === hash) return;
    if (former !== undefined) this.#count(former, -1);
    if (hash === undefined) referrers.delete(unit);
    else {
      referrers.set(unit, hash);
      this.#count(hash, 1);
    }
  }

  #count(hash: string | typeof unreadable, by: 1 | -1): void {
    if (hash === unreadable) {
      this.#unreadable += by;
      return;
    }
    const former = this.#counts.get(hash) ?? 0;
    const count = former + by;
    if (count > 0) this.#counts.set(hash, count);
    else this.#counts.delete(hash);
    // Between one and many nothing changes.
    if (former === 0 || count === 0) this.#review(hash);
  }

  #review(hash: string): void {
    if (this.#bodies.has(hash) && !this.#counts.has(hash)) this.#unused.add(hash);
    else this.#unused.delete(hash);
  }
}
