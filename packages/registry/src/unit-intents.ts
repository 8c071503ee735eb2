import { requirementsOf, type TargetState, type UnitOption, unitHash } from "@fleet/core";
import { FleetError } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import { failedRow } from "./failed-rows.ts";
import type { Keyspace } from "./keyspace.ts";
import { exclusiveHoldCodec, heldSomewhere, type UnitRecord, unitCodec } from "./records.ts";
import { SharedTransactions } from "./shared-transactions.ts";
import { type Compare, type KeyValue, type Operation, StoreError } from "./store.ts";
import { encodeBody } from "./unit-body.ts";
import type { UnitFiles } from "./unit-files.ts";

export interface PutUnit {
  readonly name: string;
  /** The unit file; left out: keep the present one. */
  readonly options?: readonly UnitOption[];
  readonly target?: TargetState;
}

export type PutOutcome =
  | {
      /**
       * `created`, or content `replaced`, or only the target `changed`, or a failed unit is to be `retried`, or nothing to
       * do.
       */
      readonly outcome: "created" | "replaced" | "changed" | "retried" | "unchanged";
      /** Revision at which the unit became what it is now: a reader that has applied it sees the result. */
      readonly revision: number;
    }
  | {
      readonly outcome: "refused";
      /** No such unit and no options to make it of; or it exists and no target was given. */
      readonly reason: "no_options" | "no_target";
    };

export type DestroyOutcome =
  | { readonly outcome: "destroyed"; readonly revision: number }
  | { readonly outcome: "absent" };

/** A unit as the user submitted it. */
export interface SubmittedUnit {
  readonly name: string;
  readonly options: readonly UnitOption[];
  readonly record: UnitRecord;
  readonly modRevision: number;
}

/** Somebody else's write came in between this many times in a row: say so rather than spin. */
const maxAttempts = 32;

/**
 * What users want: the only writer of `units/` and `bodies/`.
 *
 * Each outcome is decided inside the transaction that makes it true. Generations never repeat for a name, not even
 * after it was destroyed, because they grow with the store's revision.
 */
export class UnitIntents {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;
  readonly #files: UnitFiles;
  /** Apart: writes must not wait for readings that come all the time. */
  readonly #reads: SharedTransactions;
  readonly #writes: SharedTransactions;

  constructor(guard: ClusterGuard, keys: Keyspace, files: UnitFiles) {
    this.#guard = guard;
    this.#keys = keys;
    this.#files = files;
    this.#reads = new SharedTransactions(guard);
    this.#writes = new SharedTransactions(guard);
  }

  /** Undefined when there is no such unit. Throws `record_corrupt` when it cannot be read. */
  async read(name: string): Promise<SubmittedUnit | undefined> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const unit = await this.#row(name);
      const { row } = unit;
      if (row === undefined) return undefined;
      const record = unitCodec.decode(row.value);
      if (!record.ok) throw corrupt(`unit ${name}`, record.problem);
      try {
        const options = await this.#files.at(record.value.hash, unit.revision);
        if (options === undefined) throw corrupt(`unit ${name}`, "its unit file is missing");
        return { name, options, record: record.value, modRevision: row.modRevision };
      } catch (error) {
        if (!(error instanceof StoreError && error.code === "etcd_compacted")) throw error;
      }
    }
    throw contended(name);
  }

  /**
   * Creates the unit, replaces its content or changes its target, as HTTP PUT does. To launch what is launched already
   * is to try it again where it has failed.
   */
  async put(request: PutUnit): Promise<PutOutcome> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const read = await this.#read(request.name);
      // Its file is there, but for damage: that it is can be compared as well when the unit is written.
      const early = attempt === 0 ? decide(request, { ...read, hasBody: true }) : undefined;
      const present = early?.outcome === "changed" ? { ...read, hasBody: true } : await this.#withBody(read);
      if (present === undefined) continue;
      const decision = decide(request, present);
      if (decision.outcome === "refused") return decision;
      if (decision.outcome === "unchanged" && present.record?.target === "launched") {
        const failed = await failedRow(this.#guard, this.#keys, request.name);
        if (failed !== undefined) {
          const revision = await this.#retry(request.name, present, present.record, failed);
          if (revision === undefined) continue;
          return { outcome: "retried", revision };
        }
      }
      if (decision.outcome === "unchanged") {
        // A body or record written in the same transaction has the same revision.
        return { outcome: "unchanged", revision: present.row?.modRevision ?? present.revision };
      }
      const key = this.#keys.unit(request.name);
      const unheardOf = await this.#unheardOf(request);
      const { hash } = decision.record;
      const body: readonly Compare[] =
        decision.outcome === "changed" ? [{ key: this.#keys.body(hash), test: "present" }] : [];
      const result = await this.#writes.txn({
        compares: [unchangedSince(key, present.row), ...body, ...unheardOf.compares],
        success: [
          { op: "put", key, value: unitCodec.encode(decision.record) },
          ...this.#bodyWrite(hash, request.options),
          ...unheardOf.operations,
        ],
      });
      if (result.succeeded) return { outcome: decision.outcome, revision: result.revision };
    }
    throw contended(request.name);
  }

  async destroy(name: string): Promise<DestroyOutcome> {
    const key = this.#keys.unit(name);
    const result = await this.#guard.txn({
      compares: [{ key, test: "present" }],
      success: [{ op: "delete", from: key }],
    });
    return result.succeeded ? { outcome: "destroyed", revision: result.revision } : { outcome: "absent" };
  }

  /** The same intent in a new generation. Undefined when the unit or its failure are not what they were. */
  async #retry(
    name: string,
    present: PresentUnit,
    record: UnitRecord,
    failed: KeyValue,
  ): Promise<number | undefined> {
    const key = this.#keys.unit(name);
    const { generation, retryOf = generation } = record;
    const next = { ...record, generation: nextGeneration(present), retryOf };
    const result = await this.#guard.txn({
      compares: [unchangedSince(key, present.row), unchangedSince(failed.key, failed)],
      success: [{ op: "put", key, value: unitCodec.encode(next) }],
    });
    return result.succeeded ? result.revision : undefined;
  }

  /**
   * The body is written again even when it is there already: its new mod revision is what makes a collector that
   * saw it unused a moment ago fail.
   */
  #bodyWrite(hash: string, options: readonly UnitOption[] | undefined): readonly Operation[] {
    if (options === undefined) return [];
    return [{ op: "put", key: this.#keys.body(hash), value: encodeBody(options) }];
  }

  /**
   * Soon after the registry was seeded anew an exclusive unit that comes new may still run on a machine that has not been
   * heard of since, and what was noted of that is lost: some machine is taken to run it.
   */
  async #unheardOf({ name, options }: PutUnit): Promise<Condition> {
    const exclusive = options === undefined ? undefined : requirementsOf(name, options).exclusive;
    if (exclusive === undefined || this.#guard.epoch === 1) return unconditional;
    const seeded = await this.#guard.range({ from: this.#keys.seeded(), keysOnly: true });
    const key = this.#keys.exclusiveHold(name);
    const hold = await this.#guard.range({ from: key, keysOnly: true });
    if (seeded.rows.length === 0 || hold.rows.length > 0) return unconditional;
    return {
      compares: [{ key, test: "absent" }],
      operations: [{ op: "put", key, value: exclusiveHoldCodec.encode(heldSomewhere(exclusive.stopMs)) }],
    };
  }

  async #row(name: string): Promise<Pick<PresentUnit, "revision" | "row">> {
    const { revision, results } = await this.#reads.txn({
      compares: [],
      success: [{ op: "get", from: this.#keys.unit(name) }],
    });
    return { revision, row: results[0]?.[0] };
  }

  async #read(name: string): Promise<Omit<PresentUnit, "hasBody">> {
    const read = await this.#row(name);
    const record = read.row === undefined ? undefined : unitCodec.decode(read.row.value);
    return { ...read, record: record?.ok ? record.value : undefined };
  }

  /** Undefined when the unit's revision was compacted away before all of it was read. */
  async #withBody(read: Omit<PresentUnit, "hasBody">): Promise<PresentUnit | undefined> {
    const { record, revision } = read;
    if (record === undefined) return { ...read, hasBody: false };
    try {
      // As of the same revision: the file of a unit that is replaced meanwhile may be collected at once.
      const from = this.#keys.body(record.hash);
      const body = await this.#guard.range({ from, keysOnly: true, revision });
      return { ...read, hasBody: body.rows.length > 0 };
    } catch (error) {
      if (error instanceof StoreError && error.code === "etcd_compacted") return undefined;
      throw error;
    }
  }
}

/** What is to be compared and written besides. */
interface Condition {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
}

const unconditional: Condition = { compares: [], operations: [] };

interface PresentUnit {
  /** Store revision at which it was read. */
  readonly revision: number;
  readonly row: KeyValue | undefined;
  /** Undefined when there is none or it cannot be read. */
  readonly record: UnitRecord | undefined;
  readonly hasBody: boolean;
}

type Decision =
  | { readonly outcome: "created" | "replaced" | "changed"; readonly record: UnitRecord }
  | { readonly outcome: "unchanged" }
  | { readonly outcome: "refused"; readonly reason: "no_options" | "no_target" };

function decide(request: PutUnit, present: PresentUnit): Decision {
  const { options, target } = request;
  const { record } = present;
  const generation = nextGeneration(present);
  if (record === undefined || !present.hasBody) {
    // An unreadable unit can only be repaired by giving its content anew.
    if (options === undefined) return { outcome: "refused", reason: "no_options" };
    const outcome = present.row === undefined ? "created" : "replaced";
    const hash = unitHash(options);
    return { outcome, record: { ...forNewIntent(record), hash, target: target ?? "inactive", generation } };
  }
  const hash = options === undefined ? record.hash : unitHash(options);
  if (hash !== record.hash) {
    const replaced = { ...forNewIntent(record), hash, target: target ?? "inactive", generation };
    return { outcome: "replaced", record: replaced };
  }
  if (target === undefined) return { outcome: "refused", reason: "no_target" };
  if (target === record.target) return { outcome: "unchanged" };
  return { outcome: "changed", record: { ...forNewIntent(record), hash, target, generation } };
}

function nextGeneration({ record, revision }: PresentUnit): number {
  return Math.max((record?.generation ?? 0) + 1, revision + 1);
}

/** Without what holds of the present intent only. Fields of later versions stay. */
function forNewIntent(record: UnitRecord | undefined): Omit<UnitRecord, "retryOf"> | undefined {
  if (record === undefined) return undefined;
  const { retryOf, ...rest } = record;
  return rest;
}

function unchangedSince(key: string, row: KeyValue | undefined): Compare {
  return row === undefined ? { key, test: "absent" } : { key, test: "modRevision", equals: row.modRevision };
}

function corrupt(what: string, problem: string): FleetError {
  return new FleetError("record_corrupt", `${what} cannot be read: ${problem}`);
}

function contended(name: string): FleetError {
  return new FleetError("unit_contended", `unit ${name} is being changed by others all the time`, {
    retryable: true,
  });
}
