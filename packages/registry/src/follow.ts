import {
  AbortedError,
  Backoff,
  type Clock,
  errorMessage,
  FleetError,
  type Random,
  sleep,
} from "@fleet/runtime";
import type { Change, ChangeBatch, FollowObserver } from "./changes.ts";
import type { ClusterGuard } from "./cluster-guard.ts";
import { decodeChange } from "./decode-change.ts";
import type { Keyspace } from "./keyspace.ts";
import { Pace } from "./pace.ts";
import type { FollowMetrics } from "./registry-metrics.ts";
import { readPages } from "./snapshot.ts";
import { type KeyRange, type Store, StoreError, type WatchBatch } from "./store.ts";

export interface FollowOptions {
  readonly store: Store;
  readonly guard: ClusterGuard;
  readonly keys: Keyspace;
  readonly clock: Clock;
  readonly random: Random;
  readonly range: Required<KeyRange>;
  readonly observer: FollowObserver | undefined;
  readonly metrics: FollowMetrics;
}

const reconnectBackoff = { initialMs: 100, maxMs: 5_000 };

/**
 * List, then watch from there, for ever.
 *
 * Invariants:
 * - `#delivered` is exactly what a reader holds who applied all batches so far: key to mod revision;
 * - a watch is resumed at the revision after the last one *delivered*, after the store was verified to be the same;
 * - when that revision is compacted, or the store was frozen, a fresh snapshot is compared with `#delivered`, so
 *   nothing is lost, repeated or delivered out of order.
 */
export class Follow {
  readonly #options: FollowOptions;
  #delivered: Map<string, number> = new Map();
  /** Undefined: a snapshot is needed. */
  #nextRevision: number | undefined;
  #first = true;
  /** Of the store that `#delivered` and `#nextRevision` speak of. */
  #epoch = 0;
  #connected: boolean | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Ends only by throwing AbortedError. */
  async *batches(signal: AbortSignal): AsyncGenerator<ChangeBatch, never> {
    const { clock, random } = this.#options;
    const backoff = new Backoff(reconnectBackoff, random);
    for (;;) {
      if (signal.aborted) throw new AbortedError(signal.reason);
      const connectedAtMs = clock.monotonic();
      try {
        for await (const batch of this.#connection(signal)) {
          // An empty batch tells nothing, except as the first one: there is nothing.
          if (this.#first || batch.changes.length > 0) {
            this.#first = false;
            yield batch;
          }
        }
      } catch (error) {
        if (signal.aborted) throw new AbortedError(signal.reason);
        this.#disconnected(error);
      }
      if (clock.monotonic() - connectedAtMs >= reconnectBackoff.maxMs) backoff.reset();
      await sleep(clock, backoff.next(), signal);
    }
  }

  async *#connection(signal: AbortSignal): AsyncGenerator<ChangeBatch, void> {
    const { store, guard, range, metrics } = this.#options;
    // Of a frozen cluster: perhaps the store is itself again, and nobody else may be asking.
    await (guard.frozen === undefined ? guard.verify() : guard.open(signal));
    this.#report(true);
    if (!this.#first) metrics.reconnects.add({});
    const connected = AbortSignal.any([signal, guard.epochOver]);
    if (guard.epoch !== this.#epoch) this.#beginEpoch(guard.epoch);
    if (this.#nextRevision === undefined) {
      if (!this.#first) metrics.relists.add({});
      yield await this.#relist(connected);
    }
    const fromRevision = this.#nextRevision ?? 1;
    for await (const batch of store.watch({ ...range, fromRevision }, connected)) {
      guard.saw(batch.revision);
      // Deleted together with the cluster's identity: not a change to act on but the end of the cluster.
      if (this.#touchesCluster(batch)) await guard.verify();
      yield await this.#take(batch, connected);
    }
  }

  /** Revisions of a store that was seeded anew say nothing about those of before: everything in it is news. */
  #beginEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.#nextRevision = undefined;
    for (const key of this.#delivered.keys()) this.#delivered.set(key, 0);
  }

  /**
   * Whether the cluster itself may have gone. Who follows one machine is not told of its record, but that the machine is
   * no longer settled is news that, while it is here, only a wiped store has.
   */
  #touchesCluster(batch: WatchBatch): boolean {
    const { keys } = this.#options;
    const cluster = keys.cluster();
    return batch.events.some((event) =>
      event.type === "put"
        ? event.row.key === cluster
        : event.key === cluster || keys.parse(event.key)?.kind === "settled",
    );
  }

  /** Notes the events as delivered; what follows belongs to the reader. */
  async #take(batch: WatchBatch, signal: AbortSignal): Promise<ChangeBatch> {
    const { keys, clock } = this.#options;
    const pace = new Pace(clock);
    const changes: Change[] = [];
    for (const event of batch.events) {
      if (pace.isOver) await pace.rest(signal);
      const change = decodeChange(keys, event);
      if (change !== undefined) changes.push(change);
    }
    // At the end and at once: an abort in between has delivered nothing.
    for (const event of batch.events) {
      if (event.type === "put") this.#delivered.set(event.row.key, event.row.modRevision);
      else this.#delivered.delete(event.key);
    }
    this.#nextRevision = batch.revision + 1;
    return { revision: batch.revision, changes };
  }

  /**
   * What leads from what was delivered to all that is there now: deletions first, then by mod revision. Decoded page by
   * page, so that no more than two pages of raw rows are in memory.
   */
  async #relist(signal: AbortSignal): Promise<ChangeBatch> {
    const { guard, keys, clock, range } = this.#options;
    const present = new Map<string, number>();
    const puts = new ByRevision();
    const pace = new Pace(clock);
    let revision = 0;
    for await (const page of readPages(guard, range)) {
      pace.begin();
      revision = page.revision;
      for (const row of page.rows) {
        if (pace.isOver) await pace.rest(signal);
        present.set(row.key, row.modRevision);
        if (this.#delivered.get(row.key) === row.modRevision) continue;
        const change = decodeChange(keys, { type: "put", row });
        if (change !== undefined) puts.add(change);
      }
    }
    const changes: Change[] = [];
    for (const key of this.#delivered.keys()) {
      if (pace.isOver) await pace.rest(signal);
      if (present.has(key)) continue;
      const change = decodeChange(keys, { type: "delete", key, modRevision: revision });
      if (change !== undefined) changes.push(change);
    }
    for (const change of puts.ascending()) {
      if (pace.isOver) await pace.rest(signal);
      changes.push(change);
    }
    this.#delivered = present;
    this.#nextRevision = revision + 1;
    return { revision, changes };
  }

  #disconnected(error: unknown): void {
    const failure =
      error instanceof FleetError ? error : new StoreError("etcd_failed", errorMessage(error), error);
    if (failure.code === "etcd_compacted" || !(failure instanceof StoreError)) this.#nextRevision = undefined;
    // A compacted revision is no loss of connection: the snapshot comes next.
    if (failure.code !== "etcd_compacted") this.#report(false, failure);
  }

  #report(connected: true): void;
  #report(connected: false, error: FleetError): void;
  #report(connected: boolean, error?: FleetError): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    const { observer } = this.#options;
    if (connected) observer?.connected();
    else if (error !== undefined) observer?.disconnected(error);
  }
}

/** Changes by the revision they were made at; of one revision in the order they were added. */
class ByRevision {
  readonly #changes = new Map<number, Change[]>();

  add(change: Change): void {
    const { modRevision } = change.entry;
    const same = this.#changes.get(modRevision);
    if (same === undefined) this.#changes.set(modRevision, [change]);
    else same.push(change);
  }

  *ascending(): Generator<Change, void> {
    // Sorted in one go, so as short as can be: numbers in such an array take half the time of a sort by a function.
    for (const revision of Float64Array.from(this.#changes.keys()).sort()) {
      yield* this.#changes.get(revision) ?? [];
    }
  }
}
