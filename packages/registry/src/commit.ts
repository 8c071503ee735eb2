import { type ExclusiveHold, orderAlone, type Reschedule, type Spared } from "@fleet/core";
import { throwIfAborted } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import type { Leadership, Term } from "./leadership.ts";
import { operationBatches } from "./operation-batches.ts";
import {
  type AssignmentRecord,
  assignmentCodec,
  confirmedLossesCodec,
  exclusiveHoldCodec,
  type MassLossRecord,
  massLossCodec,
  type RestartRecord,
  rescheduleCodec,
  restartCodec,
  settledCodec,
} from "./records.ts";
import type { Compare, KeyValue, Operation } from "./store.ts";

/** What an engine may change. */
export type EngineWrite =
  | {
      readonly op: "assign";
      readonly machineId: string;
      readonly unit: string;
      /** What else it has is not written. */
      readonly record: AssignmentRecord;
    }
  /**
   * Gives an exclusive unit to a machine and notes that it is there, unless either was changed since: the note, which must
   * be the one of `heldAt` (undefined: there must be none), or the machine's registration.
   */
  | {
      readonly op: "assign-exclusive";
      readonly machineId: string;
      readonly unit: string;
      readonly record: AssignmentRecord;
      readonly registration: number;
      readonly hold: ExclusiveHold;
      readonly heldAt: number | undefined;
    }
  /** Orders a unit that failed to move, and notes that; written before it is withdrawn. */
  | { readonly op: "reschedule"; readonly unit: string; readonly record: Reschedule }
  | { readonly op: "forget-reschedule"; readonly unit: string }
  /** The exclusive unit has ended wherever it was, unless it was noted anew since `heldAt`. */
  | { readonly op: "release-exclusive"; readonly unit: string; readonly heldAt: number }
  | { readonly op: "withdraw"; readonly machineId: string; readonly unit: string }
  /** The machine's assignments take this registration into account: what is missing there is missing on purpose. */
  | {
      readonly op: "settle";
      readonly machineId: string;
      readonly registration: number;
      /** None unless given. */
      readonly spared?: Spared;
    }
  /** Removes a unit file nothing refers to, unless it was written again since `modRevision`. */
  | { readonly op: "collect-body"; readonly hash: string; readonly modRevision: number }
  /** Carries a request to restart units on, unless it was cancelled or changed since `modRevision`. */
  | {
      readonly op: "advance-restart";
      readonly id: string;
      readonly modRevision: number;
      readonly record: RestartRecord;
    }
  | { readonly op: "forget-restart"; readonly id: string; readonly modRevision: number }
  /** For which machines what they ran is not placed elsewhere; undefined: for none. */
  | { readonly op: "hold-losses"; readonly record: MassLossRecord | undefined }
  /** Of what was confirmed only these machines are left to be seen to, unless more was confirmed since `modRevision`. */
  | {
      readonly op: "forget-confirmed-losses";
      readonly modRevision: number;
      readonly left: readonly string[];
    };

export type CommitOutcome =
  | { readonly outcome: "committed"; readonly revision: number }
  /** Another engine leads. Some of the writes may have been carried out before it did. */
  | { readonly outcome: "fenced" };

/** Per commit. With as many the library alone takes about as long for the same keys; twice as many gave no clear gain. */
const transactionsInFlight = 8;

/** What is carried out whatever has changed meanwhile. */
type PlainWrite = Extract<
  EngineWrite,
  { op: "assign" | "withdraw" | "reschedule" | "forget-reschedule" | "settle" }
>;
const plainOperations: ReadonlySet<EngineWrite["op"]> = new Set<PlainWrite["op"]>([
  "assign",
  "withdraw",
  "reschedule",
  "forget-reschedule",
  "settle",
]);

interface Batch {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
}

/** Writes an engine's plan, each transaction fenced by the term. */
export class Committer {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;
  readonly #leadership: Leadership;

  constructor(guard: ClusterGuard, keys: Keyspace, leadership: Leadership) {
    this.#guard = guard;
    this.#keys = keys;
    this.#leadership = leadership;
  }

  /**
   * Carries out all writes, no two of which may be about the same row: etcd refuses that. "settle" writes go after everything
   * else is in the store. A body, restart or exclusive unit that has changed meanwhile is left as it is: the watch tells. Rejects with
   * StoreError, AbortedError or the frozen error; some may then be carried out.
   */
  async commit(term: Term, writes: readonly EngineWrite[], signal: AbortSignal): Promise<CommitOutcome> {
    const [first, last] = this.#stages(writes);
    let revision = this.#guard.revision;
    for (const batches of [first, last]) {
      const reached = await this.#all(term, batches, signal);
      if (reached === undefined) {
        this.#leadership.deposed(term.number);
        return { outcome: "fenced" };
      }
      revision = Math.max(revision, reached);
    }
    return { outcome: "committed", revision };
  }

  #stages(writes: readonly EngineWrite[]): readonly [Iterable<Batch>, Iterable<Batch>] {
    const first: PlainWrite[] = [];
    const last: PlainWrite[] = [];
    // Each alone in its transaction: one that comes too late must not stop anything else.
    const conditional: Batch[] = [];
    for (const write of writes) {
      if (write.op === "settle") last.push(write);
      else if (isPlain(write)) first.push(write);
      else conditional.push(this.#conditional(write));
    }
    return [this.#batched(first, conditional), this.#batched(last)];
  }

  *#batched(writes: readonly PlainWrite[], after: readonly Batch[] = []): Generator<Batch, void> {
    for (const operations of operationBatches(this.#operations(writes))) yield { compares: [], operations };
    yield* after;
  }

  /** Encoded when their turn comes: etcd has work meanwhile, and what is encoded takes room. */
  *#operations(writes: readonly PlainWrite[]): Generator<Operation, void> {
    for (const write of writes) yield this.#operation(write);
  }

  #operation(write: PlainWrite): Operation {
    switch (write.op) {
      case "assign": {
        const key = this.#keys.assignment(write.machineId, write.unit);
        return { op: "put", key, value: assignmentCodec.encode(orderAlone(write.record)) };
      }
      case "withdraw":
        return { op: "delete", from: this.#keys.assignment(write.machineId, write.unit) };
      case "reschedule": {
        const key = this.#keys.reschedule(write.unit);
        return { op: "put", key, value: rescheduleCodec.encode(write.record) };
      }
      case "forget-reschedule":
        return { op: "delete", from: this.#keys.reschedule(write.unit) };
      case "settle": {
        const { machineId, registration, spared = [] } = write;
        const record = spared.length === 0 ? { registration } : { registration, spared };
        return { op: "put", key: this.#keys.settled(machineId), value: settledCodec.encode(record) };
      }
    }
  }

  #conditional(write: Exclude<EngineWrite, PlainWrite>): Batch {
    switch (write.op) {
      case "assign-exclusive":
        return this.#exclusive(write);
      case "release-exclusive": {
        const key = this.#keys.exclusiveHold(write.unit);
        return unlessChanged(write.heldAt, { op: "delete", from: key });
      }
      case "collect-body": {
        const key = this.#keys.body(write.hash);
        return unlessChanged(write.modRevision, { op: "delete", from: key });
      }
      case "advance-restart": {
        const key = this.#keys.restart(write.id);
        const value = restartCodec.encode(write.record);
        return unlessChanged(write.modRevision, { op: "put", key, value });
      }
      case "forget-restart": {
        const key = this.#keys.restart(write.id);
        return unlessChanged(write.modRevision, { op: "delete", from: key });
      }
      case "hold-losses": {
        const key = this.#keys.massLoss();
        const operation: Operation =
          write.record === undefined
            ? { op: "delete", from: key }
            : { op: "put", key, value: massLossCodec.encode(write.record) };
        return { compares: [], operations: [operation] };
      }
      case "forget-confirmed-losses": {
        const key = this.#keys.confirmedLosses();
        const { modRevision, left } = write;
        if (left.length === 0) return unlessChanged(modRevision, { op: "delete", from: key });
        const value = confirmedLossesCodec.encode({ machines: left });
        return unlessChanged(modRevision, { op: "put", key, value });
      }
    }
  }

  #exclusive(write: Extract<EngineWrite, { op: "assign-exclusive" }>): Batch {
    const { machineId, unit, record, registration, hold, heldAt } = write;
    const holdKey = this.#keys.exclusiveHold(unit);
    const assignmentKey = this.#keys.assignment(machineId, unit);
    return {
      compares: [
        { key: this.#keys.machine(machineId), test: "createRevision", equals: registration },
        heldAt === undefined
          ? { key: holdKey, test: "absent" }
          : { key: holdKey, test: "modRevision", equals: heldAt },
      ],
      operations: [
        { op: "put", key: assignmentKey, value: assignmentCodec.encode(record) },
        { op: "put", key: holdKey, value: exclusiveHoldCodec.encode(hold) },
      ],
    };
  }

  /** Highest revision reached; undefined when fenced. Waits for every transaction it has begun. */
  async #all(term: Term, batches: Iterable<Batch>, signal: AbortSignal): Promise<number | undefined> {
    const waiting = batches[Symbol.iterator]();
    let revision = 0;
    let fenced = false;
    let failed = false;
    const worker = async (): Promise<void> => {
      for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
        if (fenced || failed) return;
        try {
          throwIfAborted(signal);
          const reached = await this.#transact(term, next.value);
          if (reached === undefined) fenced = true;
          else revision = Math.max(revision, reached);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    const results = await Promise.allSettled(Array.from({ length: transactionsInFlight }, worker));
    if (fenced) return undefined;
    for (const result of results) {
      if (result.status === "rejected") throw result.reason;
    }
    return revision;
  }

  async #transact(term: Term, batch: Batch): Promise<number | undefined> {
    const key = this.#keys.leader();
    const result = await this.#guard.txn({
      compares: [{ key, test: "createRevision", equals: term.number }, ...batch.compares],
      success: batch.operations,
      failure: [{ op: "get", from: key }],
    });
    if (result.succeeded) return result.revision;
    const leader: KeyValue | undefined = result.results[0]?.[0];
    return leader?.createRevision === term.number ? result.revision : undefined;
  }
}

function isPlain(write: EngineWrite): write is PlainWrite {
  return plainOperations.has(write.op);
}

function unlessChanged(modRevision: number, operation: Extract<Operation, { op: "put" | "delete" }>): Batch {
  const key = operation.op === "put" ? operation.key : operation.from;
  return { compares: [{ key, test: "modRevision", equals: modRevision }], operations: [operation] };
}
