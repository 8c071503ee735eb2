import {
  type Clock,
  errorCode,
  errorMessage,
  FleetError,
  type Logger,
  type Random,
  randomHex,
  throwIfAborted,
} from "@fleet/runtime";
import type { Keyspace } from "./keyspace.ts";
import { type ClusterRecord, clusterCodec, readableFormats } from "./records.ts";
import type { Compare, KeyValue, Operation, RangeRequest, RangeResult, Store, TxnResult } from "./store.ts";

/** What a machine remembers of the cluster it belongs to. */
export interface RememberedCluster {
  readonly id: string;
  /** Create revision of the `cluster` key. */
  readonly createRevision: number;
  /** Highest store revision seen: a store that answers with a lower one has been rolled back. */
  readonly revision: number;
}

/** Keeps it where a restart of fleetd does not lose it and a reboot does, beside the agent's journal. */
export interface ClusterMemory {
  load(): Promise<RememberedCluster | undefined>;
  save(cluster: RememberedCluster): Promise<void>;
}

export interface ClusterGuardOptions {
  readonly store: Store;
  readonly keys: Keyspace;
  readonly memory: ClusterMemory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /**
   * Whether an empty prefix may become a new cluster. That is for a fleetd to do: a tool that finds nothing was rather
   * given a wrong prefix, and the cluster it made would look like an answer. True unless given.
   */
  readonly mayCreate?: boolean;
  /** The data formats that are read; `readableFormats` unless given. */
  readonly formats?: readonly number[];
}

/** A transaction as the guard takes it; it adds the compare of the cluster's identity. */
export interface GuardedTxn {
  readonly compares: readonly Compare[];
  /** Carried out when all compares hold, else `failure`. */
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

/** The highest revision seen is written down at most this often: it only has to be roughly right. */
const saveIntervalMs = 5_000;

/**
 * Stands between fleet and a store that is not, or no longer, this cluster's: wiped, restored from a backup, or
 * another one altogether. Such a store is frozen out: nothing is read as truth and nothing is written, so that
 * what is missing there is never taken for "stop everything".
 *
 * Invariants:
 * - every write compares the create revision of the `cluster` key;
 * - a response must not be older than any response that had arrived when its request was sent (requests are
 *   linearizable, so an older one means that the store lost history);
 * - only `open` thaws; a store that was found rolled back stays frozen out until fleetd is started anew.
 */
export class ClusterGuard {
  readonly #options: ClusterGuardOptions;
  #remembered: RememberedCluster | undefined;
  #loaded = false;
  #frozen: FleetError | undefined = new FleetError(
    "cluster_unverified",
    "the cluster has not been verified yet",
    {
      retryable: true,
    },
  );
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #saving = false;

  constructor(options: ClusterGuardOptions) {
    this.#options = options;
  }

  /**
   * Why nothing may be read or written; undefined when all is well. Codes: `cluster_unverified` before the first
   * `open`, `cluster_missing`, `cluster_foreign`, `cluster_rolled_back`, `cluster_format`.
   */
  get frozen(): FleetError | undefined {
    return this.#frozen;
  }

  /** Id of the cluster; undefined before the first successful `open` of a machine that remembers nothing. */
  get clusterId(): string | undefined {
    return this.#remembered?.id;
  }

  /** Highest store revision seen. */
  get revision(): number {
    return this.#remembered?.revision ?? 0;
  }

  /**
   * Verifies the store, creating the cluster when nothing is remembered and nothing is below the prefix, unless
   * `mayCreate` forbids that. Throws the error it freezes with, or StoreError. Call it again to thaw; only a rollback is final.
   */
  async open(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    // It may have grown past what was seen of it by now, but never into what it has lost.
    if (this.#frozen?.code === "cluster_rolled_back") throw this.#frozen;
    if (!this.#loaded) {
      this.#remembered = await this.#options.memory.load();
      this.#loaded = true;
    }
    let look = await this.#look();
    const { mayCreate = true } = this.#options;
    if (mayCreate && look.row === undefined && this.#remembered === undefined && !look.occupied) {
      throwIfAborted(signal);
      await this.#create();
      look = await this.#look();
    }
    throwIfAborted(signal);
    const identity = this.#judge(look);
    this.#remembered = identity;
    await this.#options.memory.save(identity);
    this.#savedAtMs = this.#options.clock.monotonic();
    if (this.#frozen !== undefined) {
      this.#frozen = undefined;
      this.#options.logger.info("cluster_verified", { cluster: identity.id, revision: identity.revision });
    }
  }

  /** Asks the store whether it still is this cluster's. Throws the frozen error, or StoreError. */
  async verify(): Promise<void> {
    this.throwIfFrozen();
    this.#judge(await this.#look());
  }

  throwIfFrozen(): void {
    if (this.#frozen !== undefined) throw this.#frozen;
  }

  /** `Store.range`, unless the store turns out to be rolled back. */
  async range(request: RangeRequest): Promise<RangeResult> {
    this.throwIfFrozen();
    const floor = this.revision;
    const result = await this.#options.store.range(request);
    this.#observe(result.revision, floor);
    return result;
  }

  /** `Store.txn`, carried out only while the store is this cluster's; throws the frozen error when it is not. */
  async txn(request: GuardedTxn): Promise<TxnResult> {
    this.throwIfFrozen();
    const key = this.#options.keys.cluster();
    const createRevision = this.#remembered?.createRevision ?? 0;
    const floor = this.revision;
    const result = await this.#txn({
      compares: [{ key, test: "createRevision", equals: createRevision }, ...request.compares],
      success: request.success,
      failure: [{ op: "get", from: key }, ...(request.failure ?? [])],
    });
    if (result.succeeded) {
      this.#observe(result.revision, floor);
      return result;
    }
    const [cluster = [], ...results] = result.results;
    this.#judge({ row: cluster[0], occupied: true, revision: result.revision, floor });
    return { succeeded: false, revision: result.revision, results };
  }

  /** Takes note of a revision delivered by a watch. Those may lag behind, so they prove no rollback. */
  saw(revision: number): void {
    if (this.#remembered !== undefined && revision > this.#remembered.revision) {
      this.#remembered = { ...this.#remembered, revision };
      this.#saveNowAndThen(this.#remembered);
    }
  }

  async #look(): Promise<Look> {
    const { keys } = this.#options;
    const floor = this.revision;
    const result = await this.#txn({
      compares: [{ key: keys.cluster(), test: "present" }],
      success: [{ op: "get", from: keys.cluster() }],
      failure: [{ op: "get", ...keys.all(), limit: 1 }],
    });
    const row = result.results[0]?.[0];
    return {
      row: result.succeeded ? row : undefined,
      occupied: row !== undefined,
      revision: result.revision,
      floor,
    };
  }

  #txn({ compares, success, failure = [] }: GuardedTxn): Promise<TxnResult> {
    return this.#options.store.txn({ compares, success, failure });
  }

  /** Losing the race against another fleetd is fine: what is there then gets judged like any other cluster. */
  async #create(): Promise<void> {
    const { keys, random, logger, formats = readableFormats } = this.#options;
    const record: ClusterRecord = { id: randomHex(random, 32), format: Math.max(...formats) };
    const result = await this.#txn({
      compares: [{ key: keys.cluster(), test: "absent" }],
      success: [{ op: "put", key: keys.cluster(), value: clusterCodec.encode(record) }],
    });
    if (result.succeeded) logger.info("cluster_created", { cluster: record.id, prefix: keys.prefix });
  }

  /** Returns the identity to remember, or freezes. */
  #judge(look: Look): RememberedCluster {
    const identity = judge(look, this.#remembered, this.#options.formats);
    if (identity instanceof FleetError) throw this.#freeze(identity);
    this.saw(identity.revision);
    return { ...identity, revision: Math.max(identity.revision, this.revision) };
  }

  #observe(revision: number, floor: number): void {
    if (revision < floor) throw this.#freeze(rolledBack(revision, floor));
    this.saw(revision);
  }

  #freeze(error: FleetError): FleetError {
    if (this.#frozen?.code !== error.code) {
      this.#options.logger.error("cluster_frozen", { code: error.code, message: error.message });
    }
    this.#frozen = error;
    return error;
  }

  #saveNowAndThen(cluster: RememberedCluster): void {
    const nowMs = this.#options.clock.monotonic();
    if (this.#saving || this.#frozen !== undefined || nowMs - this.#savedAtMs < saveIntervalMs) return;
    this.#savedAtMs = nowMs;
    this.#saving = true;
    // In the background: no write to the store has to wait for it, and the next one tries again.
    this.#options.memory.save(cluster).then(
      () => {
        this.#saving = false;
      },
      (error: unknown) => {
        this.#saving = false;
        this.#options.logger.warn("cluster_memory_failed", {
          code: errorCode(error),
          message: errorMessage(error),
        });
      },
    );
  }
}

/** What the store showed of itself. */
interface Look {
  /** The `cluster` key. */
  readonly row: KeyValue | undefined;
  /** Whether anything at all is below the prefix. */
  readonly occupied: boolean;
  readonly revision: number;
  /** Highest revision seen when the request was sent. */
  readonly floor: number;
}

function judge(
  look: Look,
  remembered: RememberedCluster | undefined,
  formats: readonly number[] = readableFormats,
): RememberedCluster | FleetError {
  const { row, revision, floor } = look;
  if (row === undefined) return missing(look, remembered);
  const record = clusterCodec.decode(row.value);
  if (!record.ok) {
    return new FleetError("cluster_format", `the cluster record cannot be read: ${record.problem}`);
  }
  const { id, format } = record.value;
  if (
    remembered !== undefined &&
    (id !== remembered.id || row.createRevision !== remembered.createRevision)
  ) {
    return new FleetError(
      "cluster_foreign",
      `etcd holds cluster ${id}, this machine belongs to ${remembered.id}`,
    );
  }
  if (revision < floor) return rolledBack(revision, floor);
  if (!formats.includes(format)) {
    return new FleetError(
      "cluster_format",
      `the cluster has data format ${format}, this fleetd does not read it`,
    );
  }
  return { id, createRevision: row.createRevision, revision };
}

function missing({ occupied }: Look, remembered: RememberedCluster | undefined): FleetError {
  if (remembered !== undefined) {
    return new FleetError(
      "cluster_missing",
      `etcd no longer knows cluster ${remembered.id}: it was wiped, or this is another store`,
    );
  }
  return occupied
    ? new FleetError("cluster_missing", "there is data below the etcd prefix but no cluster record")
    : new FleetError("cluster_missing", "there is no fleet cluster below the etcd prefix");
}

function rolledBack(revision: number, seen: number): FleetError {
  return new FleetError(
    "cluster_rolled_back",
    `etcd is at revision ${revision} but has been at ${seen}: it was restored from an older state`,
  );
}
