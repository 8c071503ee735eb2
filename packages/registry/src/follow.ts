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
import type { FollowMetrics } from "./registry-metrics.ts";
import { readAll, type Snapshot } from "./snapshot.ts";
import { type KeyRange, type Store, StoreError, type WatchBatch, type WatchEvent } from "./store.ts";

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
  readonly #delivered = new Map<string, number>();
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
      const snapshot = await readAll(guard, range);
      yield this.#take({ revision: snapshot.revision, events: this.#differences(snapshot) });
    }
    const fromRevision = this.#nextRevision ?? 1;
    for await (const batch of store.watch({ ...range, fromRevision }, connected)) {
      guard.saw(batch.revision);
      // Deleted together with the cluster's identity: not a change to act on but the end of the cluster.
      if (this.#touchesCluster(batch)) await guard.verify();
      yield this.#take(batch);
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
    return batch.events.some((event) =>
      event.type === "put"
        ? event.row.key === keys.cluster()
        : event.key === keys.cluster() || keys.parse(event.key)?.kind === "settled",
    );
  }

  /** Notes the events as delivered; what follows belongs to the reader. */
  #take(batch: WatchBatch): ChangeBatch {
    const changes: Change[] = [];
    for (const event of batch.events) {
      if (event.type === "put") this.#delivered.set(event.row.key, event.row.modRevision);
      else this.#delivered.delete(event.key);
      const change = decodeChange(this.#options.keys, event);
      if (change !== undefined) changes.push(change);
    }
    this.#nextRevision = batch.revision + 1;
    return { revision: batch.revision, changes };
  }

  /** The events that lead from what was delivered to the snapshot: deletions first, then by mod revision. */
  #differences(snapshot: Snapshot): readonly WatchEvent[] {
    const present = new Set<string>();
    const puts: Extract<WatchEvent, { type: "put" }>[] = [];
    for (const row of snapshot.rows) {
      present.add(row.key);
      if (this.#delivered.get(row.key) !== row.modRevision) puts.push({ type: "put", row });
    }
    puts.sort((a, b) => a.row.modRevision - b.row.modRevision);
    const deletions: WatchEvent[] = [];
    for (const key of this.#delivered.keys()) {
      if (!present.has(key)) deletions.push({ type: "delete", key, modRevision: snapshot.revision });
    }
    return [...deletions, ...puts];
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
