import { compareText, lowerBound } from "./order.ts";

/**
 * Machines by the number of units assigned to them, for the least-loaded pick.
 *
 * Invariant: bucket n names every machine of load n. What else it names has gone to another load, which only `#loads` tells.
 */
export class LoadIndex {
  readonly #loads = new Map<string, number>();
  readonly #buckets: Bucket[] = [];

  /** Number of machines. */
  get size(): number {
    return this.#loads.size;
  }

  has(machineId: string): boolean {
    return this.#loads.has(machineId);
  }

  /** 0 of a machine that is not in the index. */
  of(machineId: string): number {
    return this.#loads.get(machineId) ?? 0;
  }

  /** Adds the machine, or moves it to its new load. */
  set(machineId: string, load: number): void {
    const former = this.#loads.get(machineId);
    if (former === load) return;
    this.#loads.set(machineId, load);
    if (former !== undefined) this.#leave(former);
    for (let next = this.#buckets.length; next <= load; next += 1) {
      this.#buckets.push(new Bucket((id) => this.#loads.get(id) === next));
    }
    this.#buckets[load]?.enter(machineId);
  }

  delete(machineId: string): void {
    const former = this.#loads.get(machineId);
    if (former === undefined) return;
    this.#loads.delete(machineId);
    this.#leave(former);
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

  #leave(load: number): void {
    this.#buckets[load]?.leave();
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
  readonly #isHere: (machineId: string) => boolean;
  #ids: string[] = [];
  #first = 0;
  #size = 0;

  constructor(isHere: (machineId: string) => boolean) {
    this.#isHere = isHere;
  }

  /** The machine is here, and was not. */
  enter(machineId: string): void {
    this.#size += 1;
    const ids = this.#ids;
    const last = ids.at(-1);
    // What comes in order needs no search.
    if (last === undefined || last < machineId) {
      ids.push(machineId);
      return;
    }
    const at = lowerBound(ids, machineId, compareText, this.#first);
    // It was here before.
    if (ids[at] === machineId) return;
    if (at > this.#first || at === 0) {
      ids.splice(at, 0, machineId);
      return;
    }
    this.#first -= 1;
    ids[this.#first] = machineId;
  }

  /** A machine is no longer here. */
  leave(): void {
    this.#size -= 1;
    for (
      let id = this.#ids[this.#first];
      id !== undefined && !this.#isHere(id);
      id = this.#ids[this.#first]
    ) {
      this.#first += 1;
    }
    if (this.#ids.length <= 2 * this.#size + fewLeft) return;
    this.#ids = [...this.machines()];
    this.#first = 0;
  }

  /** Whether one of the machines, asked in order of id, is accepted. */
  some(accepts: (machineId: string) => boolean): boolean {
    for (let at = this.#first; at < this.#ids.length; at += 1) {
      const id = this.#ids[at];
      if (id !== undefined && this.#isHere(id) && accepts(id)) return true;
    }
    return false;
  }

  /** By id. */
  *machines(): Generator<string> {
    for (let at = this.#first; at < this.#ids.length; at += 1) {
      const id = this.#ids[at];
      if (id !== undefined && this.#isHere(id)) yield id;
    }
  }
}

/** Not worth an array of their own. */
const fewLeft = 32;
