import { FleetError, type Logger } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
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
}

/** Rows in one transaction: compares of the cluster, the machine and each row's assignment must fit as well. */
const rowsPerTransaction = 100;

type Row = PublishedRows["put"][number];

export class MachineRegistration implements Registration {
  readonly number: number;
  readonly #options: MachineRegistrationOptions;
  #record: MachineRecord;

  constructor(options: MachineRegistrationOptions) {
    this.#options = options;
    this.#record = options.record;
    this.number = options.number;
  }

  get lost(): AbortSignal {
    return this.#options.keeper.lost;
  }

  async publish(rows: PublishedRows): Promise<PublishOutcome> {
    const { guard, keys } = this.#options;
    let revision = guard.revision;
    const stale: string[] = [];
    for (const units of chunks(rows.remove)) {
      const result = await this.#write(
        [],
        units.map((unit) => ({ op: "delete", from: keys.state(this.#record.id, unit) })),
        [],
      );
      revision = result.revision;
    }
    for (const chunk of chunks(rows.put)) {
      let left = chunk;
      while (left.length > 0) {
        const attempt = await this.#put(left);
        if (attempt.stale.size === 0) {
          revision = attempt.revision;
          break;
        }
        stale.push(...attempt.stale);
        left = left.filter((row) => !attempt.stale.has(row.unit));
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
    for (const chunk of chunks(units)) {
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

  async leaving(): Promise<void> {
    const { keys, keeper } = this.#options;
    const record = { ...this.#record, leaving: true };
    const key = keys.machine(record.id);
    const put: Operation = { op: "put", key, value: machineCodec.encode(record), leaseId: keeper.leaseId };
    await this.#write([], [put], []);
    this.#record = record;
  }

  async leave(): Promise<void> {
    await this.#options.keeper.revoke();
  }

  async #put(
    rows: readonly Row[],
  ): Promise<{ readonly revision: number; readonly stale: ReadonlySet<string> }> {
    const { keys, keeper } = this.#options;
    const machineId = this.#record.id;
    const based = rows.flatMap(({ unit, assignedAt }) =>
      assignedAt === undefined ? [] : [{ unit, assignedAt, key: keys.assignment(machineId, unit) }],
    );
    const result = await this.#write(
      based.map(({ key, assignedAt }) => ({ key, test: "modRevision", equals: assignedAt })),
      rows.map(({ unit, record }) => ({
        op: "put",
        key: keys.state(machineId, unit),
        value: stateCodec.encode(record),
        leaseId: keeper.leaseId,
      })),
      based.map(({ key }) => ({ op: "get", from: key })),
    );
    if (result.succeeded) return { revision: result.revision, stale: new Set() };
    const stale = based.filter(
      ({ assignedAt }, index) => result.results[index]?.[0]?.modRevision !== assignedAt,
    );
    return { revision: result.revision, stale: new Set(stale.map(({ unit }) => unit)) };
  }

  /** A transaction that also compares the machine's row; it being another one's or gone ends this registration. */
  async #write(
    compares: readonly Compare[],
    success: readonly Operation[],
    failure: readonly Operation[],
  ): Promise<TxnResult> {
    const { guard, keys } = this.#options;
    const key = keys.machine(this.#record.id);
    try {
      const result = await guard.txn({
        compares: [{ key, test: "createRevision", equals: this.number }, ...compares],
        success,
        failure: [{ op: "get", from: key }, ...failure],
      });
      if (result.succeeded) return result;
      const [machine, ...results] = result.results;
      if (machine?.[0]?.createRevision !== this.number) throw this.#lose();
      return { ...result, results };
    } catch (error) {
      if (error instanceof StoreError && error.code === "etcd_lease_not_found") throw this.#lose(error);
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

function chunks<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  const count = Math.ceil(items.length / rowsPerTransaction);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * rowsPerTransaction, (index + 1) * rowsPerTransaction),
  );
}
