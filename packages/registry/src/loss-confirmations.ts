import { FleetError } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import {
  type ConfirmedLossesRecord,
  confirmedLossesCodec,
  type MassLossRecord,
  massLossCodec,
} from "./records.ts";
import type { Compare, KeyValue } from "./store.ts";

/** Somebody else's write came in between this many times in a row: say so rather than spin. */
const maxAttempts = 32;

/** The mass loss for which the engine holds machines, and the word of users that some of them are lost. */
export class LossConfirmations {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;

  constructor(guard: ClusterGuard, keys: Keyspace) {
    this.#guard = guard;
    this.#keys = keys;
  }

  /** Undefined while nothing is held. What was confirmed already is left out. Throws `record_corrupt`. */
  async read(): Promise<MassLossRecord | undefined> {
    const { held, confirmed } = await this.#rows();
    return unconfirmed(heldRecord(held), confirmedRecord(confirmed));
  }

  /**
   * Confirms those of the machines that are held for; all of them when none is named. The engine then places elsewhere
   * what they ran. Resolves with their ids. Throws `record_corrupt`.
   */
  async confirm(machines?: readonly string[]): Promise<readonly string[]> {
    const heldKey = this.#keys.massLoss();
    const key = this.#keys.confirmedLosses();
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const rows = await this.#rows();
      const known = confirmedRecord(rows.confirmed);
      const open = unconfirmed(heldRecord(rows.held), known)?.machines ?? [];
      const lost = machines === undefined ? open : open.filter((id) => machines.includes(id));
      if (lost.length === 0) return [];
      const value = confirmedLossesCodec.encode({ machines: [...(known?.machines ?? []), ...lost].sort() });
      const { succeeded } = await this.#guard.txn({
        compares: [unchanged(heldKey, rows.held), unchanged(key, rows.confirmed)],
        success: [{ op: "put", key, value }],
      });
      if (succeeded) return lost;
    }
    throw new FleetError("losses_contended", "the machines that are held for change all the time", {
      retryable: true,
    });
  }

  async #rows(): Promise<{
    readonly held: KeyValue | undefined;
    readonly confirmed: KeyValue | undefined;
  }> {
    const { results } = await this.#guard.txn({
      compares: [],
      success: [
        { op: "get", from: this.#keys.massLoss() },
        { op: "get", from: this.#keys.confirmedLosses() },
      ],
    });
    return { held: results[0]?.[0], confirmed: results[1]?.[0] };
  }
}

function unconfirmed(
  held: MassLossRecord | undefined,
  confirmed: ConfirmedLossesRecord | undefined,
): MassLossRecord | undefined {
  if (held === undefined) return undefined;
  const machines = held.machines.filter((id) => confirmed?.machines.includes(id) !== true);
  return machines.length === 0 ? undefined : { ...held, machines };
}

function heldRecord(row: KeyValue | undefined): MassLossRecord | undefined {
  if (row === undefined) return undefined;
  const record = massLossCodec.decode(row.value);
  if (!record.ok) throw corrupt("the record of lost machines", record.problem);
  return record.value;
}

function confirmedRecord(row: KeyValue | undefined): ConfirmedLossesRecord | undefined {
  if (row === undefined) return undefined;
  const record = confirmedLossesCodec.decode(row.value);
  if (!record.ok) throw corrupt("the record of confirmed losses", record.problem);
  return record.value;
}

function corrupt(what: string, problem: string): FleetError {
  return new FleetError("record_corrupt", `${what} cannot be read: ${problem}`);
}

function unchanged(key: string, row: KeyValue | undefined): Compare {
  return row === undefined ? { key, test: "absent" } : { key, test: "modRevision", equals: row.modRevision };
}
