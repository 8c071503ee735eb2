import { FleetError, type Random, randomHex } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { type RestartRecord, restartCodec, type UnitRecord, unitCodec } from "./records.ts";
import { readAll } from "./snapshot.ts";
import type { KeyValue, Operation } from "./store.ts";

export interface NewRestart {
  /** In the order of their turns, each once. */
  readonly units: readonly string[];
  /** Restarts under way at a time, from 1. */
  readonly parallel: number;
}

/** A request to restart units, as it stands. */
export interface RequestedRestart {
  readonly id: string;
  readonly record: RestartRecord;
  readonly createRevision: number;
  readonly modRevision: number;
}

export type CreateRestartOutcome =
  | { readonly outcome: "created"; readonly restart: RequestedRestart }
  | { readonly outcome: "refused"; readonly reason: "absent" | "inactive"; readonly unit: string }
  | {
      readonly outcome: "refused";
      /** `too_many_stopped`: more units than fit into one transaction would have to be started. */
      readonly reason: "too_many_stopped" | "too_many_restarts";
      readonly limit: number;
    };

/** Each is compared and written in the one transaction; etcd takes 128 of either. */
const maxStopped = 100;
/** Requests there may be, ended ones included. */
const maxRestarts = 200;
const readsPerTransaction = 100;
/** Somebody else's write came in between this many times in a row: say so rather than spin. */
const maxAttempts = 32;

interface PresentUnit {
  readonly name: string;
  readonly row: KeyValue;
  readonly record: UnitRecord;
}

/**
 * Requests to restart units, as users make and cancel them; the engine carries them out.
 *
 * Invariant: a unit that is loaded, and not launched, is launched in the very transaction that creates the request, and
 * its step begins with that: its start is the restart.
 */
export class RestartRequests {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;
  readonly #random: Random;

  constructor(guard: ClusterGuard, keys: Keyspace, random: Random) {
    this.#guard = guard;
    this.#keys = keys;
    this.#random = random;
  }

  async create(request: NewRestart): Promise<CreateRestartOutcome> {
    const id = randomHex(this.#random, 16);
    const key = this.#keys.restart(id);
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const there = await this.#guard.range({ ...this.#keys.restarts(), keysOnly: true, limit: maxRestarts });
      if (there.rows.length >= maxRestarts) {
        return { outcome: "refused", reason: "too_many_restarts", limit: maxRestarts };
      }
      const { units, missing } = await this.#units(request.units);
      if (missing !== undefined) return { outcome: "refused", reason: "absent", unit: missing };
      const inactive = units.find(({ record }) => record.target === "inactive");
      if (inactive !== undefined) return { outcome: "refused", reason: "inactive", unit: inactive.name };
      const stopped = units.filter(({ record }) => record.target === "loaded");
      if (stopped.length > maxStopped) {
        return { outcome: "refused", reason: "too_many_stopped", limit: maxStopped };
      }
      const steps = stopped.map(({ name }) => ({ unit: name, state: "restarting" }) as const);
      const record: RestartRecord = { ...request, state: "running", steps };
      const result = await this.#guard.txn({
        compares: [
          { key, test: "absent" },
          ...stopped.map(
            ({ row }) => ({ key: row.key, test: "modRevision", equals: row.modRevision }) as const,
          ),
        ],
        success: [{ op: "put", key, value: restartCodec.encode(record) }, ...stopped.map(launch)],
      });
      const { revision } = result;
      if (result.succeeded) {
        return {
          outcome: "created",
          restart: { id, record, createRevision: revision, modRevision: revision },
        };
      }
    }
    throw new FleetError("unit_contended", "the units are being changed by others all the time", {
      retryable: true,
    });
  }

  /** Undefined when there is none of this id (any more). Throws `record_corrupt` when it cannot be read. */
  async read(id: string): Promise<RequestedRestart | undefined> {
    const { rows } = await this.#guard.range({ from: this.#keys.restart(id) });
    const [row] = rows;
    return row === undefined ? undefined : decoded(id, row);
  }

  /** All that are there, the latest first. Those that cannot be read are left out. */
  async list(): Promise<readonly RequestedRestart[]> {
    const { rows } = await readAll(this.#guard, this.#keys.restarts());
    const restarts: RequestedRestart[] = [];
    for (const row of rows) {
      const subject = this.#keys.parse(row.key);
      const record = restartCodec.decode(row.value);
      if (subject?.kind !== "restart" || !record.ok) continue;
      const { createRevision, modRevision } = row;
      restarts.push({ id: subject.id, record: record.value, createRevision, modRevision });
    }
    return restarts.sort((left, right) => right.createRevision - left.createRevision);
  }

  /** What is under way ends, nothing further begins. False when there is no such request. */
  async cancel(id: string): Promise<boolean> {
    const key = this.#keys.restart(id);
    const result = await this.#guard.txn({
      compares: [{ key, test: "present" }],
      success: [{ op: "delete", from: key }],
    });
    return result.succeeded;
  }

  /** The units in the order given, up to the first that is missing. */
  async #units(
    names: readonly string[],
  ): Promise<{ readonly units: readonly PresentUnit[]; readonly missing: string | undefined }> {
    const units: PresentUnit[] = [];
    for (let from = 0; from < names.length; from += readsPerTransaction) {
      const chunk = names.slice(from, from + readsPerTransaction);
      const gets = chunk.map((name) => ({ op: "get", from: this.#keys.unit(name) }) as const);
      const { results } = await this.#guard.txn({ compares: [], success: gets });
      for (const [index, name] of chunk.entries()) {
        const row = results[index]?.[0];
        if (row === undefined) return { units, missing: name };
        const record = unitCodec.decode(row.value);
        if (!record.ok) throw corrupt(`unit ${name}`, record.problem);
        units.push({ name, row, record: record.value });
      }
    }
    return { units, missing: undefined };
  }
}

function launch({ row, record }: PresentUnit): Operation {
  // It grows with the store's revision, as that of any other change of intent.
  const generation = Math.max(record.generation, row.modRevision) + 1;
  return {
    op: "put",
    key: row.key,
    value: unitCodec.encode({ ...record, target: "launched", generation }),
  };
}

function decoded(id: string, row: KeyValue): RequestedRestart {
  const record = restartCodec.decode(row.value);
  if (!record.ok) throw corrupt(`restart ${id}`, record.problem);
  return { id, record: record.value, createRevision: row.createRevision, modRevision: row.modRevision };
}

function corrupt(what: string, problem: string): FleetError {
  return new FleetError("record_corrupt", `${what} cannot be read: ${problem}`);
}
