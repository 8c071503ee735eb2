import { FleetError, type Logger } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import { Contribution } from "./contribution.ts";
import type { Keyspace } from "./keyspace.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { type MachineRecord, machineCodec, type StateRecord, stateCodec } from "./records.ts";
import { readAll } from "./snapshot.ts";
import { type Compare, type Operation, StoreError, type TxnResult } from "./store.ts";

/** State rows to write and to remove. */
export interface PublishedRows {
  readonly put: readonly {
    readonly unit: string;
    readonly record: StateRecord;
    /** Mod revision of the assignment the row rests on: the row is written only while it still holds. */
    readonly assignedAt?: number;
  }[];
  /** Units whose rows go. */
  readonly remove: readonly string[];
}

export interface PublishOutcome {
  readonly revision: number;
  /** Units whose assignment is not the one given any more: their rows were not written. */
  readonly stale: readonly string[];
}

/** The presence of one machine, held by its agent. */
export interface Registration {
  /** Create revision of `machines/<id>`: fences what is written under it. */
  readonly number: number;
  /** Fires when the lease must be taken for lost, or the machine's row was seen gone: register again. */
  readonly lost: AbortSignal;
  /**
   * Monotonic milliseconds: `lost` fires then unless the lease is renewed before. Counted from when the last acknowledged
   * keep-alive was sent, and less a margin: etcd ends the lease later.
   */
  readonly leaseDeadlineMs: number;
  /**
   * Asks etcd for the lease now. Rejects with StoreError or the reason of `lost` unless a keep-alive was acknowledged that was
   * sent after this was called.
   */
  renew(): Promise<void>;
  /** Calls back after each acknowledged keep-alive. */
  onRenewed(listener: () => void): void;
  /**
   * Writes and removes state rows, all or in part: a failure leaves some written. Not to be called again before it has
   * ended. Rejects with StoreError, the frozen error or `registration_lost`.
   */
  publish(rows: PublishedRows): Promise<PublishOutcome>;
  /** This machine's rows in the store now; after a takeover: what the earlier process left. */
  published(): Promise<ReadonlyMap<string, StateRecord>>;
  /**
   * Which of the units really have no assignment here, in the order given; read in a transaction that also proves that
   * this is still the cluster and the registration we know. A wiped store confirms nothing: it rejects.
   */
  confirmAbsent(units: readonly string[]): Promise<readonly string[]>;
  /** Tells a registry that was seeded anew what this machine runs. */
  contribution(): Pick<Contribution, "add" | "report">;
  /** Says that this machine is about to leave: the engine takes its units away. */
  leaving(): Promise<void>;
  /** Ends the presence with all state rows, at once. */
  leave(): Promise<void>;
}

export interface MachineRegistrationOptions {
  readonly guard: ClusterGuard;
  readonly keys: Keyspace;
  readonly logger: Logger;
  readonly keeper: LeaseKeeper;
  readonly record: MachineRecord;
  readonly number: number;
  /** Mod revision of the machine's row. */
  readonly fence: number;
}

/** Rows in one transaction: compares of the cluster, the machine and each row's assignment must fit as well. */
const rowsPerTransaction = 100;

/** A row to write or, without a record, to remove. */
type RowChange = { readonly unit: string } & Partial<PublishedRows["put"][number]>;

/**
 * The presence of one machine over etcd.
 *
 * Invariant: every write compares the mod revision of the machine's row (`#fence`), and a write whose outcome is
 * unknown moves that fence on before anything else is written. Such a write may still be on its way; arriving
 * late it would bring back a state row that has gone, and the unit would be held by this machine for ever.
 */
export class MachineRegistration implements Registration {
  readonly number: number;
  readonly #options: MachineRegistrationOptions;
  #record: MachineRecord;
  #fence: number;
  #uncertain = false;

  constructor(options: MachineRegistrationOptions) {
    this.#options = options;
    this.#record = options.record;
    this.number = options.number;
    this.#fence = options.fence;
  }

  get lost(): AbortSignal {
    return this.#options.keeper.lost;
  }

  get leaseDeadlineMs(): number {
    return this.#options.keeper.deadlineMs;
  }

  renew(): Promise<void> {
    return this.#options.keeper.renew();
  }

  onRenewed(listener: () => void): void {
    this.#options.keeper.onRenewed(listener);
  }

  async publish(rows: PublishedRows): Promise<PublishOutcome> {
    let revision = this.#options.guard.revision;
    const stale: string[] = [];
    const changes: readonly RowChange[] = [...rows.remove.map((unit) => ({ unit })), ...rows.put];
    for (const chunk of chunks(changes, rowsPerTransaction)) {
      let left = chunk;
      while (left.length > 0) {
        const attempt = await this.#change(left);
        revision = attempt.revision;
        if (attempt.stale.size === 0) break;
        stale.push(...attempt.stale);
        left = left.filter((change) => !attempt.stale.has(change.unit));
      }
    }
    return { revision, stale };
  }

  async published(): Promise<ReadonlyMap<string, StateRecord>> {
    const { guard, keys, logger } = this.#options;
    const { rows } = await readAll(guard, keys.statesOf(this.#record.id));
    const published = new Map<string, StateRecord>();
    for (const row of rows) {
      const subject = keys.parse(row.key);
      const record = stateCodec.decode(row.value);
      if (subject?.kind !== "state") continue;
      if (record.ok) published.set(subject.unit, record.value);
      else logger.warn("state_row_corrupt", { unit: subject.unit, problem: record.problem });
    }
    return published;
  }

  async confirmAbsent(units: readonly string[]): Promise<readonly string[]> {
    const { keys } = this.#options;
    const absent: string[] = [];
    for (const chunk of chunks(units, rowsPerTransaction)) {
      const gets = chunk.map(
        (unit) => ({ op: "get", from: keys.assignment(this.#record.id, unit) }) as const,
      );
      const { results } = await this.#write([], gets, []);
      chunk.forEach((unit, index) => {
        if (results[index]?.length === 0) absent.push(unit);
      });
    }
    return absent;
  }

  contribution(): Contribution {
    const { keys } = this.#options;
    return new Contribution(this.#record.id, keys, (compares, success) => this.#write(compares, success, []));
  }

  async leaving(): Promise<void> {
    // Kept whatever comes of this attempt: the next write that moves the fence on says it again.
    this.#record = { ...this.#record, leaving: true };
    await this.#rewrite();
  }

  async leave(): Promise<void> {
    await this.#options.keeper.revoke();
  }

  /** One attempt. `stale`: units whose assignment is not the one given; nothing was written if there are any. */
  async #change(
    changes: readonly RowChange[],
  ): Promise<{ readonly revision: number; readonly stale: ReadonlySet<string> }> {
    const { keys } = this.#options;
    const based = changes.flatMap(({ unit, assignedAt }) =>
      assignedAt === undefined ? [] : [{ unit, assignedAt, key: keys.assignment(this.#record.id, unit) }],
    );
    const result = await this.#write(
      based.map(({ key, assignedAt }) => ({ key, test: "modRevision", equals: assignedAt })),
      changes.map((change) => this.#rowOperation(change)),
      based.map(({ key }) => ({ op: "get", from: key })),
    );
    if (result.succeeded) return { revision: result.revision, stale: new Set() };
    const stale = based.filter(
      ({ assignedAt }, index) => result.results[index]?.[0]?.modRevision !== assignedAt,
    );
    return { revision: result.revision, stale: new Set(stale.map(({ unit }) => unit)) };
  }

  #rowOperation({ unit, record }: RowChange): Operation {
    const { keys, keeper } = this.#options;
    const key = keys.state(this.#record.id, unit);
    if (record === undefined) return { op: "delete", from: key };
    return { op: "put", key, value: stateCodec.encode(record), leaseId: keeper.leaseId };
  }

  /** Writes the machine's row anew: its new mod revision keeps out whatever was sent before. */
  async #rewrite(): Promise<void> {
    const { keys, keeper } = this.#options;
    const record = this.#record;
    const key = keys.machine(record.id);
    const put: Operation = { op: "put", key, value: machineCodec.encode(record), leaseId: keeper.leaseId };
    const { revision } = await this.#transact([], [put], []);
    this.#fence = revision;
    this.#uncertain = false;
  }

  async #write(
    compares: readonly Compare[],
    operations: readonly Operation[],
    otherwise: readonly Operation[],
  ): Promise<TxnResult> {
    if (this.#uncertain) await this.#rewrite();
    return await this.#transact(compares, operations, otherwise);
  }

  /**
   * A transaction that also compares the machine's row; it being another one's or gone ends this registration. When
   * the row was moved on by another write of our own (its reply was lost, or it was under way at the same time),
   * it is tried again from there.
   */
  async #transact(
    compares: readonly Compare[],
    operations: readonly Operation[],
    otherwise: readonly Operation[],
  ): Promise<TxnResult> {
    const { guard, keys } = this.#options;
    const key = keys.machine(this.#record.id);
    for (;;) {
      const fence = this.#fence;
      const result = await this.#attempt(() =>
        guard.txn({
          compares: [{ key, test: "modRevision", equals: fence }, ...compares],
          success: operations,
          failure: [{ op: "get", from: key }, ...otherwise],
        }),
      );
      if (result.succeeded) return result;
      const [machine, ...results] = result.results;
      const row = machine?.[0];
      if (row?.createRevision !== this.number) throw this.#lose();
      if (row.modRevision === fence) return { ...result, results };
      this.#fence = row.modRevision;
    }
  }

  async #attempt(transaction: () => Promise<TxnResult>): Promise<TxnResult> {
    try {
      return await transaction();
    } catch (error) {
      if (error instanceof StoreError && error.code === "etcd_lease_not_found") throw this.#lose(error);
      if (error instanceof StoreError && error.retryable) this.#uncertain = true;
      throw error;
    }
  }

  #lose(cause?: unknown): FleetError {
    const error = new FleetError("registration_lost", "this machine is not registered any more", {
      retryable: true,
      cause,
    });
    this.#options.keeper.fail(error);
    return error;
  }
}

function chunks<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}
