import { type Logger, throwIfAborted } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { type MisplacedUnit, misplacedUnits } from "./misplaced-units.ts";
import {
  type ClusterRecord,
  type ContributionRecord,
  clusterCodec,
  contributionCodec,
  readableFormats,
} from "./records.ts";
import { readAll } from "./snapshot.ts";
import type { Compare, Store } from "./store.ts";

/** What lies below the prefix of a store that is not trusted. */
export interface FoundStore {
  /** Id and epoch of the cluster record; undefined when there is none that can be read. */
  readonly cluster: { readonly id: string; readonly epoch: number } | undefined;
  readonly units: number;
  /** Keys below the prefix. */
  readonly keys: number;
}

export type BeginOutcome =
  | { readonly outcome: "begun"; readonly epoch: number }
  /** This store is this cluster's, and nothing needs to be done. */
  | { readonly outcome: "healthy" }
  /** This process does not know which cluster it should be. */
  | { readonly outcome: "no_memory" }
  /** Something is there, and it was not said that this may be thrown away. */
  | { readonly outcome: "occupied"; readonly found: FoundStore };

/** How far the seeding is. */
export interface ReseedProgress {
  readonly running: boolean;
  readonly epoch: number;
  /** Units in the registry. */
  readonly units: number;
  /** What each machine has told, by machine id. */
  readonly contributions: readonly ContributionRecord[];
  /** Machines that are registered and have not told yet, by id. */
  readonly awaited: readonly string[];
  /** Units on machines that they may not be on, as metadata is now: an engine would take them away from there. */
  readonly misplaced: readonly MisplacedUnit[];
}

export interface ReseedingOptions {
  readonly store: Store;
  readonly guard: ClusterGuard;
  readonly keys: Keyspace;
  readonly logger: Logger;
}

/**
 * For so long after the end of the seeding a machine that has not been heard of may be running an exclusive unit: longer
 * than any lease and stop that are meant seriously.
 */
const unheardOfMs = 3_600_000;

/** How a discarded store without a readable cluster record is named. */
const noCluster = "none";

/**
 * The operator's way out of a store that was wiped or rolled back: the cluster begins anew in it, under its own id and
 * with a higher epoch, from what the machines still run.
 *
 * Only here is a `cluster` record written over the head of the guard, and only below a prefix that holds no cluster.
 */
export class Reseeding {
  readonly #options: ReseedingOptions;

  constructor(options: ReseedingOptions) {
    this.#options = options;
  }

  /** What the store holds, trusted or not. */
  async found(): Promise<FoundStore> {
    const { store, keys } = this.#options;
    const { rows } = await readKeys(store, keys);
    const cluster = (await store.range({ from: keys.cluster() })).rows[0];
    const record = cluster === undefined ? undefined : clusterCodec.decode(cluster.value);
    return {
      cluster: record?.ok === true ? { id: record.value.id, epoch: record.value.epoch ?? 1 } : undefined,
      units: rows.filter((key) => keys.parse(key)?.kind === "unit").length,
      keys: rows.length,
    };
  }

  /**
   * Begins. `discard`: id of the cluster, or `noCluster`, that may be thrown away. Rejects with StoreError; asking again
   * is harmless.
   */
  async begin(discard: string | undefined, signal: AbortSignal): Promise<BeginOutcome> {
    const { guard, store, keys, logger } = this.#options;
    if (await this.#isHealthy(signal)) {
      return guard.reseeding ? { outcome: "begun", epoch: guard.epoch } : { outcome: "healthy" };
    }
    const { clusterId: id } = guard;
    if (id === undefined) return { outcome: "no_memory" };
    const found = await this.found();
    if (found.keys > 0) {
      if (discard !== (found.cluster?.id ?? noCluster)) return { outcome: "occupied", found };
      await this.#discard(found);
    }
    throwIfAborted(signal);
    const epoch = Math.max(guard.epoch, found.cluster?.id === id ? found.cluster.epoch : 0) + 1;
    const record: ClusterRecord = { id, format: Math.max(...readableFormats), epoch, reseeding: true };
    const key = keys.cluster();
    await store.txn({
      compares: [{ key, test: "absent" }],
      success: [{ op: "put", key, value: clusterCodec.encode(record) }],
    });
    // Whoever was faster: what is there now is judged like any other store.
    await guard.open(signal);
    logger.warn("reseed_begun", { cluster: id, epoch: guard.epoch, discarded_keys: found.keys });
    return { outcome: "begun", epoch: guard.epoch };
  }

  async progress(): Promise<ReseedProgress> {
    const { guard, keys } = this.#options;
    await guard.verify();
    const { rows } = await readAll(guard, keys.all());
    const contributions: ContributionRecord[] = [];
    const machines: string[] = [];
    let units = 0;
    for (const { key, value } of rows) {
      const subject = keys.parse(key);
      if (subject?.kind === "machine") machines.push(subject.machineId);
      if (subject?.kind === "unit") units += 1;
      if (!key.startsWith(keys.contribution(""))) continue;
      const record = contributionCodec.decode(value);
      if (record.ok) contributions.push(record.value);
    }
    const told = new Set(contributions.map(({ machineId }) => machineId));
    return {
      running: guard.reseeding,
      epoch: guard.epoch,
      units,
      contributions,
      awaited: machines.filter((machineId) => !told.has(machineId)),
      misplaced: guard.reseeding ? misplacedUnits(rows, keys) : [],
    };
  }

  /** Lets engines lead again; false when nothing was being seeded. */
  async finish(): Promise<boolean> {
    const { store, guard, keys, logger } = this.#options;
    const key = keys.cluster();
    for (;;) {
      const row = (await guard.range({ from: key })).rows[0];
      const record = row === undefined ? undefined : clusterCodec.decode(row.value);
      if (row === undefined || record?.ok !== true) {
        await guard.verify();
        return false;
      }
      if (record.value.reseeding !== true) return false;
      const unchanged: Compare = { key, test: "modRevision", equals: row.modRevision };
      // Not renewed: etcd itself counts the time, over restarts of everybody.
      const { leaseId } = await store.leaseGrant(unheardOfMs);
      const result = await guard.txn({
        compares: [unchanged],
        success: [
          { op: "put", key, value: clusterCodec.encode({ ...record.value, reseeding: false }) },
          { op: "put", key: keys.seeded(), value: "{}", leaseId },
        ],
      });
      if (!result.succeeded) continue;
      await guard.verify();
      logger.warn("reseed_finished", { cluster: record.value.id, epoch: guard.epoch });
      return true;
    }
  }

  async #isHealthy(signal: AbortSignal): Promise<boolean> {
    const { guard } = this.#options;
    try {
      await guard.open(signal);
      return true;
    } catch (error) {
      if (guard.frozen === undefined || guard.frozen !== error) throw error;
      return false;
    }
  }

  /** The record goes with the rest: one that is only written over would keep its create revision, which fences. */
  async #discard(found: FoundStore): Promise<void> {
    const { store, keys, logger } = this.#options;
    const row = (await store.range({ from: keys.cluster() })).rows[0];
    const key = keys.cluster();
    logger.warn("reseed_discards", { cluster: found.cluster?.id, units: found.units, keys: found.keys });
    await store.txn({
      compares: [
        row === undefined ? { key, test: "absent" } : { key, test: "modRevision", equals: row.modRevision },
      ],
      success: [{ op: "delete", ...keys.all() }],
    });
  }
}

async function readKeys(store: Store, keys: Keyspace): Promise<{ readonly rows: readonly string[] }> {
  const { rows } = await readAll(
    { range: (request) => store.range({ ...request, keysOnly: true }) },
    keys.all(),
  );
  return { rows: rows.map(({ key }) => key) };
}
