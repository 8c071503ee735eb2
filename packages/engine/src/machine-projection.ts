import type { ClusterModel } from "@fleet/core";
import type { Entry, MachineRecord, MetadataRecord } from "@fleet/registry";

type Override = MetadataRecord | "corrupt";

/**
 * Puts machines together from their registration and the metadata set through the API, which outlives it.
 *
 * Invariants:
 * - a machine with a record that cannot be read is in the model as unreadable. An override that cannot be read counts
 *   as such a record: without it the machine might seem to lack what its units ask for;
 * - so is one without a record that is expected back: it gets nothing, and what it has stays with it.
 */
export class MachineProjection {
  readonly #model: ClusterModel;
  readonly #records = new Map<string, Exclude<Entry<MachineRecord>, { status: "absent" }>>();
  readonly #overrides = new Map<string, Map<string, Override>>();
  /** Machines without a record that are expected back; undefined when none is. */
  #missing: Set<string> | undefined;

  constructor(model: ClusterModel) {
    this.#model = model;
  }

  applyMachine(machineId: string, entry: Entry<MachineRecord>): void {
    if (entry.status === "absent") {
      if (this.#records.delete(machineId)) this.#missing?.add(machineId);
    } else {
      this.#records.set(machineId, entry);
      this.#missing?.delete(machineId);
    }
    this.#publish(machineId);
  }

  /** From now on, of these machines and of any other, one without a record is expected back. */
  expectReturns(machineIds: Iterable<string>): void {
    const missing = new Set([...machineIds].filter((machineId) => !this.#records.has(machineId)));
    this.#missing = missing;
    for (const machineId of missing) this.#publish(machineId);
  }

  /** Those that are not back are gone, and so is from now on whichever goes. */
  giveUpMissing(): void {
    const missing = this.#missing ?? [];
    this.#missing = undefined;
    for (const machineId of missing) this.#publish(machineId);
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
      if (this.#missing?.has(machineId) === true) this.#model.setMachineUnreadable(machineId);
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
