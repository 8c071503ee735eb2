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
import {
  type Floor,
  judge,
  type Look,
  type RememberedCluster,
  reseeded,
  rolledBack,
} from "./cluster-identity.ts";
import type { Keyspace } from "./keyspace.ts";
import { type ClusterRecord, clusterCodec, readableFormats } from "./records.ts";
import type { Compare, Operation, RangeRequest, RangeResult, Store, TxnResult } from "./store.ts";

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
 * - every write compares that the cluster's record is still the one that was judged last: also one whose data format has
 *   risen since is another one to a fleetd that cannot read it;
 * - a response must not be older than any response that had arrived when its request was sent (requests are
 *   linearizable, so an older one means that the store lost history);
 * - only `open` thaws; a store that was found rolled back stays frozen out until fleetd is started anew;
 * - a record with this cluster's id and a higher epoch is this cluster, seeded anew by its operator: create revision and
 *   revisions begin anew with it, and nothing that was asked of the store in the epoch before counts as answered.
 */
export class ClusterGuard {
  readonly #options: ClusterGuardOptions;
  #remembered: RememberedCluster | undefined;
  /** What is known to be remembered over a restart, too. */
  #kept: RememberedCluster | undefined;
  #loaded = false;
  #reseeding = false;
  #epochOver = new AbortController();
  #frozen: FleetError | undefined = new FleetError(
    "cluster_unverified",
    "the cluster has not been verified yet",
    {
      retryable: true,
    },
  );
  /** Mod revision of the cluster's record as it was judged last. */
  #judgedAt = 0;
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

  /** See RememberedCluster; 0 while nothing is remembered. */
  get epoch(): number {
    return this.#remembered?.epoch ?? 0;
  }

  /** Fires when the store was seeded anew: registrations, terms and revisions of this epoch are nothing any more. */
  get epochOver(): AbortSignal {
    return this.#epochOver.signal;
  }

  /** The store is being seeded anew, by what was last read of it: `verify` reads it again. */
  get reseeding(): boolean {
    return this.#reseeding;
  }

  /** See RememberedCluster. */
  get owesUnits(): boolean {
    return this.#remembered?.owesUnits === true;
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
    if (!this.#loaded) {
      this.#remembered = await this.#options.memory.load();
      this.#kept = this.#remembered;
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
    this.#refuseRolledBack(look);
    const identity = this.#judge(look, "opening");
    const isNewEpoch = this.#remembered !== undefined && this.#remembered.epoch !== identity.epoch;
    this.#remembered = identity;
    if (isNewEpoch) this.#beginEpoch();
    await this.#keep(identity);
    this.#savedAtMs = this.#options.clock.monotonic();
    if (this.#frozen !== undefined) {
      this.#frozen = undefined;
      const { id: cluster, epoch, revision } = identity;
      this.#options.logger.info("cluster_verified", { cluster, epoch, revision });
    }
  }

  /** The store knows what this machine runs. */
  async unitsContributed(): Promise<void> {
    if (this.#remembered === undefined) return;
    const { owesUnits: _, ...identity } = this.#remembered;
    this.#remembered = identity;
    await this.#options.memory.save(identity);
    this.#kept = identity;
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
    const floor = this.#floor();
    const result = await this.#options.store.range(request);
    this.#observe(result.revision, floor);
    return result;
  }

  /** `Store.txn`, carried out only while the store is this cluster's; throws the frozen error when it is not. */
  async txn(request: GuardedTxn): Promise<TxnResult> {
    const key = this.#options.keys.cluster();
    for (;;) {
      this.throwIfFrozen();
      const judgedAt = this.#judgedAt;
      const floor = this.#floor();
      const result = await this.#txn({
        compares: [{ key, test: "modRevision", equals: judgedAt }, ...request.compares],
        success: request.success,
        failure: [{ op: "get", from: key }, ...(request.failure ?? [])],
      });
      if (result.succeeded) {
        this.#observe(result.revision, floor);
        return result;
      }
      const [cluster = [], ...results] = result.results;
      this.#refuseEarlierEpoch(floor);
      this.#judge({ row: cluster[0], occupied: true, revision: result.revision, floor });
      // Refused for the record alone, which has changed and is this cluster's still: what was asked for is asked again.
      if ((cluster[0]?.modRevision ?? 0) === judgedAt)
        return { succeeded: false, revision: result.revision, results };
    }
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
    const floor = this.#floor();
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

  #floor(): Floor {
    return { epoch: this.epoch, revision: this.revision };
  }

  /** Returns the identity to remember, or freezes. Only who is `opening` takes up a new epoch. */
  #judge(look: Look, purpose: "opening" | "checking" = "checking"): RememberedCluster {
    const verdict = judge(look, this.#remembered, this.#options.formats);
    if (verdict instanceof FleetError) throw this.#freeze(verdict);
    const { reseeding, ...identity } = verdict;
    const isNewEpoch = this.#remembered !== undefined && identity.epoch !== this.#remembered.epoch;
    if (isNewEpoch && purpose === "checking") throw this.#freeze(reseeded(identity.epoch));
    this.#reseeding = reseeding;
    this.#judgedAt = look.row?.modRevision ?? 0;
    if (isNewEpoch) return { ...identity, owesUnits: true };
    this.saw(identity.revision);
    return { ...this.#remembered, ...identity, revision: Math.max(identity.revision, this.revision) };
  }

  /** It may have grown past what was seen of it by now, but never into what it has lost: only another epoch will do. */
  #refuseRolledBack(look: Look): void {
    if (this.#frozen?.code !== "cluster_rolled_back") return;
    const verdict = judge(look, this.#remembered, this.#options.formats);
    if (verdict instanceof FleetError || verdict.epoch === this.epoch) throw this.#frozen;
  }

  /** What was asked before the store was seeded anew was not answered by this cluster as it is now. */
  #refuseEarlierEpoch(floor: Floor): void {
    if (floor.epoch !== this.epoch) throw reseeded(this.epoch);
  }

  #observe(revision: number, floor: Floor): void {
    this.#refuseEarlierEpoch(floor);
    if (revision < floor.revision) throw this.#freeze(rolledBack(revision, floor.revision));
    this.saw(revision);
  }

  #beginEpoch(): void {
    const over = this.#epochOver;
    this.#epochOver = new AbortController();
    over.abort(reseeded(this.epoch));
  }

  #freeze(error: FleetError): FleetError {
    if (this.#frozen?.code === "cluster_rolled_back") return this.#frozen;
    if (this.#frozen?.code !== error.code) {
      this.#options.logger.error("cluster_frozen", { code: error.code, message: error.message });
    }
    this.#frozen = error;
    return error;
  }

  /**
   * Rejects when the cluster cannot be remembered. If it is remembered already and only the revision could not be
   * noted (the disk is full, say), an older one will do: a machine must not lose its units over it.
   */
  async #keep(identity: RememberedCluster): Promise<void> {
    try {
      await this.#options.memory.save(identity);
      this.#kept = identity;
    } catch (error) {
      if (this.#kept === undefined || !isSameCluster(this.#kept, identity)) throw error;
      this.#warnNotSaved(error);
    }
  }

  #warnNotSaved(error: unknown): void {
    this.#options.logger.warn("cluster_memory_failed", {
      code: errorCode(error),
      message: errorMessage(error),
    });
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
        this.#warnNotSaved(error);
      },
    );
  }
}

/** Apart from the revision. */
function isSameCluster(one: RememberedCluster, other: RememberedCluster): boolean {
  return (
    one.id === other.id &&
    one.epoch === other.epoch &&
    one.createRevision === other.createRevision &&
    one.owesUnits === other.owesUnits
  );
}
