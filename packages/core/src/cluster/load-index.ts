import { compareText, lowerBound } from "./order.ts";

/** A machine in an index. Its load says in which bucket it is: where else it is named, it was before. */
interface Entry {
  readonly id: string;
  /** -1 once it has left the index. */
  load: number;
}

/**
 * Machines by the number of units assigned to them, for the least-loaded pick.
 *
 * Invariant: bucket n names every machine of load n. What else it names has gone to another load.
 */
export class LoadIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #buckets: Bucket[] = [];

  /** Number of machines. */
  get size(): number {
    return this.#entries.size;
  }

  has(machineId: string): boolean {
    return this.#entries.has(machineId);
  }

  /** 0 of a machine that is not in the index. */
  of(machineId: string): number {
    return this.#entries.get(machineId)?.load ?? 0;
  }

  /** Adds the machine, or moves it to its new load. */
  set(machineId: string, load: number): void {
    let entry = this.#entries.get(machineId);
    if (entry?.load === load) return;
    if (entry === undefined) {
      entry = { id: machineId, load };
      this.#entries.set(machineId, entry);
    } else {
      const former = this.#buckets[entry.load];
      entry.load = load;
      former?.leave();
    }
    for (let next = this.#buckets.length; next <= load; next += 1) this.#buckets.push(new Bucket(next));
    this.#buckets[load]?.enter(entry);
  }

  delete(machineId: string): void {
    const entry = this.#entries.get(machineId);
    if (entry === undefined) return;
    this.#entries.delete(machineId);
    const former = this.#buckets[entry.load];
    entry.load = -1;
    former?.leave();
  }

  /** Least loaded first, ties in order of id. The index must not be changed while this is being consumed. */
  *ascending(): Generator<string> {
    for (const bucket of this.#buckets) yield* bucket.machines();
  }

  /**
   * Shows the machines of several indexes, which share none, in the order of `ascending` until one is accepted. Nothing is
   * made for that, as it would be for an iterator: this is what placing a unit takes most often.
   */
  static find(indexes: readonly LoadIndex[], accepts: (machineId: string) => boolean): void {
    const [only] = indexes;
    if (only !== undefined && indexes.length === 1) {
      for (const bucket of only.#buckets) if (bucket.some(accepts)) return;
      return;
    }
    const highest = Math.max(0, ...indexes.map((index) => index.#buckets.length));
    for (let load = 0; load < highest; load += 1) {
      const machines = indexes.flatMap((index) => [...(index.#buckets[load]?.machines() ?? [])]);
      if (machines.sort(compareText).some(accepts)) return;
    }
  }
}

/**
 * The machines of one load. Who leaves stays in the array for a while: nearly always the first one leaves, and to close the gap
 * would move all others.
 *
 * Invariants:
 * - from `#first` on ids ascend, and every machine that is here is among them;
 * - no more ids are of machines that have left than of those that are here, a few apart.
 */
class Bucket {
  readonly #load: number;
  #entries: Entry[] = [];
  #first = 0;
  #size = 0;

  constructor(load: number) {
    this.#load = load;
  }

  /** The machine is here, and was not. */
  enter(entry: Entry): void {
    this.#size += 1;
    const entries = this.#entries;
    const last = entries.at(-1);
    // What comes in order needs no search.
    if (last === undefined || last.id < entry.id) {
      entries.push(entry);
      return;
    }
    const at = lowerBound(entries, entry, byId, this.#first);
    // It was here before, if perhaps as another entry.
    if (entries[at]?.id === entry.id) {
      entries[at] = entry;
      return;
    }
    if (at > this.#first || at === 0) {
      entries.splice(at, 0, entry);
      return;
    }
    this.#first -= 1;
    entries[this.#first] = entry;
  }

  /** A machine is no longer here. */
  leave(): void {
    this.#size -= 1;
    const load = this.#load;
    const entries = this.#entries;
    while (this.#first < entries.length && entries[this.#first]?.load !== load) this.#first += 1;
    if (entries.length <= 2 * this.#size + fewLeft) return;
    this.#entries = entries.slice(this.#first).filter((entry) => entry.load === load);
    this.#first = 0;
  }

  /** Whether one of the machines, asked in order of id, is accepted. */
  some(accepts: (machineId: string) => boolean): boolean {
    for (let at = this.#first; at < this.#entries.length; at += 1) {
      const entry = this.#entries[at];
      if (entry?.load === this.#load && accepts(entry.id)) return true;
    }
    return false;
  }

  /** By id. */
  *machines(): Generator<string> {
    for (let at = this.#first; at < this.#entries.length; at += 1) {
      const entry = this.#entries[at];
      if (entry?.load === this.#load) yield entry.id;
    }
  }
}

function byId(left: Entry, right: Entry): number {
  return compareText(left.id, right.id);
}

/** Not worth an array of their own. */
const fewLeft = 32;
