import type { ClusterModel } from "@fleet/core";
import type { Entry } from "../changes.ts";
import type { MachineRecord, MetadataRecord } from "../records.ts";

type Override = MetadataRecord | "corrupt";

/**
 * - `awaited`: it vanished, or was away from the beginning, and nobody has decided yet what to make of that
 * - `mass_loss`: it vanished together with too many others, and nobody has confirmed that it is lost
 */
export type HoldReason = "awaited" | "mass_loss";

/**
 * Puts machines together from their registration and the metadata set through the API, which outlives it.
 *
 * Invariants:
 * - a machine with a record that cannot be read is in the model as unreadable. An override that cannot be read counts
 *   as such a record: without it the machine might seem to lack what its units ask for;
 * - one without a record that is held is in the model as away: it gets nothing, and what it has stays with it. Every
 *   machine that vanishes is held, as `awaited`, until somebody decides. One that leaves in order, or that nothing is
 *   known of, is not there.
 */
export class MachineProjection {
  readonly #model: ClusterModel;
  readonly #records = new Map<string, Exclude<Entry<MachineRecord>, { status: "absent" }>>();
  readonly #overrides = new Map<string, Map<string, Override>>();
  /** Machines without a record for which what they have is held, and why. */
  readonly #held = new Map<string, HoldReason>();
  readonly #unsteady = new Set<string>();

  constructor(model: ClusterModel) {
    this.#model = model;
  }

  applyMachine(machineId: string, entry: Entry<MachineRecord>): void {
    if (entry.status === "absent") {
      const former = this.#records.get(machineId);
      this.#records.delete(machineId);
      const left = former?.status === "present" && former.value.leaving;
      if (former !== undefined && !left) this.#held.set(machineId, "awaited");
    } else {
      this.#records.set(machineId, entry);
      this.#held.delete(machineId);
    }
    this.#publish(machineId);
  }

  hasRecord(machineId: string): boolean {
    return this.#records.has(machineId);
  }

  /** Machines that are registered and not about to leave, in order of id. */
  staying(): readonly string[] {
    const staying: string[] = [];
    for (const [machineId, entry] of this.#records) {
      if (entry.status === "corrupt" || !entry.value.leaving) staying.push(machineId);
    }
    return staying.sort();
  }

  /** Machines that are held for this reason, in order of id. */
  held(reason: HoldReason): readonly string[] {
    return [...this.#held].flatMap(([machineId, why]) => (why === reason ? [machineId] : [])).sort();
  }

  /** What these machines have stays with them. Those with a record are left out. */
  hold(machineIds: Iterable<string>, reason: HoldReason): void {
    for (const machineId of machineIds) {
      if (this.#records.has(machineId)) continue;
      const fresh = !this.#held.has(machineId);
      this.#held.set(machineId, reason);
      if (fresh) this.#publish(machineId);
    }
  }

  /** These machines are lost, for whatever reason they were held. */
  giveUp(machineIds: Iterable<string>): void {
    for (const machineId of machineIds) if (this.#held.delete(machineId)) this.#publish(machineId);
  }

  /** From now on, exactly these machines are unsteady, see `Machine.unsteady`. */
  setUnsteady(machineIds: ReadonlySet<string>): void {
    const former = new Set(this.#unsteady);
    this.#unsteady.clear();
    for (const machineId of machineIds) this.#unsteady.add(machineId);
    for (const machineId of new Set([...former, ...machineIds])) {
      const changed = former.has(machineId) !== machineIds.has(machineId);
      if (changed && this.#records.has(machineId)) this.#publish(machineId);
    }
  }

  applyMetadata(machineId: string, key: string, entry: Entry<MetadataRecord>): void {
    const overrides = this.#overrides.get(machineId) ?? new Map<string, Override>();
    this.#overrides.set(machineId, overrides);
    if (entry.status === "absent") overrides.delete(key);
    else overrides.set(key, entry.status === "corrupt" ? "corrupt" : entry.value);
    if (overrides.size === 0) this.#overrides.delete(machineId);
    this.#publish(machineId);
  }

  #publish(machineId: string): void {
    const entry = this.#records.get(machineId);
    if (entry === undefined) {
      if (this.#held.has(machineId)) this.#model.setMachineAway(machineId);
      else this.#model.removeMachine(machineId);
      return;
    }
    const metadata = entry.status === "corrupt" ? undefined : this.#metadata(machineId, entry.value);
    if (entry.status === "corrupt" || metadata === undefined) {
      this.#model.setMachineUnreadable(machineId);
      return;
    }
    const { publicIp, leaving } = entry.value;
    this.#model.setMachine({
      id: machineId,
      publicIp,
      metadata,
      registration: entry.createRevision,
      leaving,
      unsteady: this.#unsteady.has(machineId),
    });
  }

  /** Configured metadata under what was set through the API; undefined when an override cannot be read. */
  #metadata(machineId: string, record: MachineRecord): ReadonlyMap<string, string> | undefined {
    const metadata = new Map(Object.entries(record.metadata));
    for (const [key, override] of this.#overrides.get(machineId) ?? []) {
      if (override === "corrupt") return undefined;
      if ("value" in override) metadata.set(key, override.value);
      else metadata.delete(key);
    }
    return metadata;
  }
}
