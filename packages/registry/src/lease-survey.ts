import { throwIfAborted } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import type { LeaseTime, Store } from "./store.ts";

/** Hundreds of machines are asked about in a moment, and etcd still has time for others. */
const questionsInFlight = 32;

/**
 * Which machines present may be about to vanish. One renews its lease when a third of it has run down; where more than
 * half has, a renewal is missing. Machines that one fault takes vanish one by one, within a third of a lease: this tells
 * at the first of them how many there will be.
 */
export class LeaseSurvey {
  readonly #store: Store;
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;

  constructor(store: Store, guard: ClusterGuard, keys: Keyspace) {
    this.#store = store;
    this.#guard = guard;
    this.#keys = keys;
  }

  /** Those of the machines that are overdue. Rejects with StoreError, AbortedError or the frozen error. */
  async overdue(machineIds: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const overdue = new Set<string>();
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let id = machineIds[next++]; id !== undefined; id = machineIds[next++]) {
        throwIfAborted(signal);
        const [row] = (await this.#guard.range({ from: this.#keys.machine(id) })).rows;
        // One that has vanished meanwhile is told of by the watch.
        if (row === undefined) continue;
        if (isOverdue(await this.#store.leaseTimeToLive(row.leaseId))) overdue.add(id);
      }
    };
    await Promise.all(Array.from({ length: questionsInFlight }, worker));
    return overdue;
  }
}

/** Half of the lease, in etcd's whole seconds: rounded up, or of 5 s it would be two fifths. */
function isOverdue(time: LeaseTime | undefined): boolean {
  return time === undefined || time.atMostMs <= Math.ceil(time.ttlMs / 2_000) * 1_000;
}
