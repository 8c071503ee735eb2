import { type Exclusiveness, type UnitOption, unknownMachine } from "@fleet/core";
import { FleetError } from "@fleet/runtime";
import type { Keyspace } from "./keyspace.ts";
import {
  assignmentCodec,
  type ContributionRecord,
  contributionCodec,
  exclusiveHoldCodec,
  heldSomewhere,
  type LeftReason,
  type UnitRecord,
  unitCodec,
} from "./records.ts";
import type { Compare, Operation, TxnResult } from "./store.ts";
import { encodeBody } from "./unit-body.ts";

/** A unit as a machine knows it from its journal and its disk. */
export interface ContributedUnit {
  readonly name: string;
  readonly options: readonly UnitOption[];
  readonly hash: string;
  readonly target: "loaded" | "launched";
  readonly generation: number;
  readonly isGlobal: boolean;
  /** Of an exclusive unit. */
  readonly exclusive?: Exclusiveness;
}

export type ContributionOutcome =
  | {
      readonly outcome: "contributed";
      /** Generation of the unit in the registry: when it is another one, another machine came first. */
      readonly generation: number;
    }
  | { readonly outcome: "left"; readonly reason: LeftReason };

/** A transaction that holds only while the machine's registration does. */
export type FencedTransaction = (
  compares: readonly Compare[],
  success: readonly Operation[],
) => Promise<TxnResult>;

/** Other machines' writes came in between this many times in a row: say so rather than spin. */
const maxAttempts = 32;

/**
 * Tells a registry that was seeded anew what a machine runs.
 *
 * Invariants:
 * - a unit, its file and the machine's own assignment come into being in one transaction, so that an engine sees either
 *   nothing of it or a unit that is where it should be;
 * - nothing that is there is changed: of two machines that tell of one name the first is believed;
 * - an exclusive unit comes into being unassigned, and after the note that some machine may be running it: the one that
 *   tells first need not be the one that ran it last, so an engine has to wait for all of them;
 * - telling it again, after a lost reply or a crash, is harmless.
 */
export class Contribution {
  readonly #machineId: string;
  readonly #keys: Keyspace;
  readonly #transact: FencedTransaction;

  constructor(machineId: string, keys: Keyspace, transact: FencedTransaction) {
    this.#machineId = machineId;
    this.#keys = keys;
    this.#transact = transact;
  }

  async add(unit: ContributedUnit): Promise<ContributionOutcome> {
    const { exclusive } = unit;
    if (exclusive !== undefined) await this.#noteExclusive(unit.name, exclusive);
    const unitKey = this.#keys.unit(unit.name);
    const assignmentKey = this.#keys.assignment(this.#machineId, unit.name);
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const { results } = await this.#transact(
        [],
        [
          { op: "get", from: unitKey },
          { op: "get", from: assignmentKey },
        ],
      );
      const row = results[0]?.[0];
      const assigned = results[1]?.[0] !== undefined;
      if (row === undefined) {
        const { hash, target, generation } = unit;
        const written = await this.#transact(
          [{ key: unitKey, test: "absent" }],
          [
            { op: "put", key: this.#keys.body(hash), value: encodeBody(unit.options) },
            { op: "put", key: unitKey, value: unitCodec.encode({ hash, target, generation }) },
            ...(exclusive === undefined ? [this.#assign(unit, target, generation)] : []),
          ],
        );
        if (written.succeeded) return { outcome: "contributed", generation };
        continue;
      }
      const record = unitCodec.decode(row.value);
      if (!record.ok) return { outcome: "left", reason: "unreadable" };
      const reason = difference(unit, record.value);
      if (reason !== undefined) return { outcome: "left", reason };
      const { generation } = record.value;
      if (assigned || exclusive !== undefined) return { outcome: "contributed", generation };
      if (!unit.isGlobal) return { outcome: "left", reason: "duplicate" };
      const written = await this.#transact(
        [
          { key: unitKey, test: "modRevision", equals: row.modRevision },
          { key: assignmentKey, test: "absent" },
        ],
        [this.#assign(unit, unit.target, generation)],
      );
      if (written.succeeded) return { outcome: "contributed", generation };
    }
    throw contended(unit.name);
  }

  /** Says what came of it, for the operator who decides when the seeding is over. */
  async report(record: Omit<ContributionRecord, "machineId">): Promise<void> {
    const key = this.#keys.contribution(this.#machineId);
    const value = contributionCodec.encode({ ...record, machineId: this.#machineId });
    await this.#transact([], [{ op: "put", key, value }]);
  }

  /** What is noted of a machine that is known is newer than what is told. */
  async #noteExclusive(unit: string, { stopMs }: Exclusiveness): Promise<void> {
    const key = this.#keys.exclusiveHold(unit);
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const { results } = await this.#transact([], [{ op: "get", from: key }]);
      const row = results[0]?.[0];
      const present = row === undefined ? undefined : exclusiveHoldCodec.decode(row.value);
      // Of two unit files of that name the one counts that takes longer to stop.
      if (present?.ok === false) return;
      if (present?.ok && (present.value.machineId !== unknownMachine || present.value.stopMs >= stopMs))
        return;
      const { succeeded } = await this.#transact(
        [row === undefined ? { key, test: "absent" } : { key, test: "modRevision", equals: row.modRevision }],
        [{ op: "put", key, value: exclusiveHoldCodec.encode(heldSomewhere(stopMs)) }],
      );
      if (succeeded) return;
    }
    throw contended(unit);
  }

  #assign({ name, hash }: ContributedUnit, target: "loaded" | "launched", generation: number): Operation {
    const key = this.#keys.assignment(this.#machineId, name);
    return { op: "put", key, value: assignmentCodec.encode({ hash, target, generation, awaits: [] }) };
  }
}

function difference(unit: ContributedUnit, there: UnitRecord): LeftReason | undefined {
  if (there.hash !== unit.hash) return "other_content";
  return there.target === unit.target ? undefined : "other_target";
}

function contended(unit: string): FleetError {
  return new FleetError("unit_contended", `unit ${unit} is being changed by others all the time`, {
    retryable: true,
  });
}
