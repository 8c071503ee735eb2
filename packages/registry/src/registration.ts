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

/** Rows in one transaction: each is compared, as are its assignment, the machine and the cluster. */
const rowsPerTransaction = 60;
/** Assignments asked for in one transaction. */
const unitsPerRead = 100;

/** A row to write or, without a record, to remove. */
type RowChange = { readonly unit: string } & Partial<PublishedRows["put"][number]>;

interface RowsAttempt {
  readonly succeeded: boolean;
  readonly revision: number;
  /** Units whose assignment is not the one given. */
  readonly stale: ReadonlySet<string>;
}

/**
 * The presence of one machine over etcd.
 *
 * Invariant: every change of a state row compares the row's mod revision with the one last known. A write whose
 * outcome is unknown may arrive late; it then fails instead of bringing back a row that has moved on, which would
 * hold the unit on this machine for ever.
 */
export class MachineRegistration implements Registration {
  readonly number: number;
  readonly #rowRevisions = new Map<string, number>();
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
    let revision = this.#options.guard.revision;
    const stale: string[] = [];
    const changes: readonly RowChange[] = [...rows.remove.map((unit) => ({ unit })), ...rows.put];
    for (const chunk of chunks(changes, rowsPerTransaction)) {
      let left = chunk;
      while (left.length > 0) {
        const attempt = await this.#change(left);
        revision = attempt.revision;
        if (attempt.succeeded) break;
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
      this.#know(row.key, row.modRevision);
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
    for (const chunk of chunks(units, unitsPerRead)) {
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

  /**
   * One attempt at some rows. When it fails, what is known of them has been put right and the next attempt may
   * succeed: their assignments may have changed (`stale`), or an earlier write of unknown outcome has arrived.
   */
  async #change(changes: readonly RowChange[]): Promise<RowsAttempt> {
    const { keys } = this.#options;
    const machineId = this.#record.id;
    const rowKeys = changes.map(({ unit }) => keys.state(machineId, unit));
    const based = changes.flatMap(({ unit, assignedAt }) =>
      assignedAt === undefined ? [] : [{ unit, assignedAt, key: keys.assignment(machineId, unit) }],
    );
    const result = await this.#write(
      [
        ...rowKeys.map((key) => this.#rowCompare(key)),
        ...based.map(({ key, assignedAt }) => ({ key, test: "modRevision", equals: assignedAt }) as const),
      ],
      changes.map((change) => this.#rowOperation(change)),
      [...rowKeys, ...based.map(({ key }) => key)].map((key) => ({ op: "get", from: key })),
    );
    const { succeeded, revision, results } = result;
    rowKeys.forEach((key, index) => {
      const written = changes[index]?.record === undefined ? undefined : revision;
      this.#know(key, succeeded ? written : results[index]?.[0]?.modRevision);
    });
    if (succeeded) return { succeeded, revision, stale: new Set() };
    const assignments = results.slice(rowKeys.length);
    const stale = based.filter(
      ({ assignedAt }, index) => assignments[index]?.[0]?.modRevision !== assignedAt,
    );
    return { succeeded, revision, stale: new Set(stale.map(({ unit }) => unit)) };
  }

  #rowCompare(key: string): Compare {
    const known = this.#rowRevisions.get(key);
    return known === undefined ? { key, test: "absent" } : { key, test: "modRevision", equals: known };
  }

  #rowOperation({ unit, record }: RowChange): Operation {
    const { keys, keeper } = this.#options;
    const key = keys.state(this.#record.id, unit);
    if (record === undefined) return { op: "delete", from: key };
    return { op: "put", key, value: stateCodec.encode(record), leaseId: keeper.leaseId };
  }

  #know(key: string, modRevision: number | undefined): void {
    if (modRevision === undefined) this.#rowRevisions.delete(key);
    else this.#rowRevisions.set(key, modRevision);
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

function chunks<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}
