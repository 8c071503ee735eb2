import { compareText, insertSorted, removeSorted } from "./order.ts";

/**
 * Machines by the number of units assigned to them, for the least-loaded pick.
 *
 * Invariant: bucket n holds exactly the machines of load n, their ids in ascending order.
 */
export class LoadIndex {
  readonly #loads = new Map<string, number>();
  readonly #buckets: string[][] = [];

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
    if (former !== undefined) this.#leave(machineId, former);
    this.#loads.set(machineId, load);
    while (this.#buckets.length <= load) this.#buckets.push([]);
    insertSorted(this.#buckets[load] ?? [], machineId, compareText);
  }

  delete(machineId: string): void {
    const former = this.#loads.get(machineId);
    if (former === undefined) return;
    this.#leave(machineId, former);
    this.#loads.delete(machineId);
  }

  /** Least loaded first, ties in order of id. The index must not be changed while this is being consumed. */
  *ascending(): Generator<string> {
    for (const bucket of this.#buckets) yield* bucket;
  }

  /** The machines of several indexes, which share none, in the order of `ascending`. */
  static *ascendingOf(indexes: readonly LoadIndex[]): Generator<string> {
    const highest = Math.max(0, ...indexes.map((index) => index.#buckets.length));
    for (let load = 0; load < highest; load += 1) {
      const buckets = indexes.flatMap((index) => {
        const bucket = index.#buckets[load] ?? [];
        return bucket.length === 0 ? [] : [bucket];
      });
      yield* buckets.length === 1 ? (buckets[0] ?? []) : buckets.flat().sort(compareText);
    }
  }

  #leave(machineId: string, load: number): void {
    removeSorted(this.#buckets[load] ?? [], machineId, compareText);
  }
}
