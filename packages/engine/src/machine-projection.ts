import type { ClusterModel } from "@fleet/core";
import type { Entry, MachineRecord, MetadataRecord } from "@fleet/registry";

type Override = MetadataRecord | "corrupt";

/**
 * Puts machines together from their registration and the metadata set through the API, which outlives it.
 *
 * Invariant: a machine with a record that cannot be read is in the model as unreadable. An override that cannot be
 * read counts as such a record: without it the machine might seem to lack what its units ask for.
 */
export class MachineProjection {
  readonly #model: ClusterModel;
  readonly #records = new Map<string, Exclude<Entry<MachineRecord>, { status: "absent" }>>();
  readonly #overrides = new Map<string, Map<string, Override>>();

  constructor(model: ClusterModel) {
    this.#model = model;
  }

  applyMachine(machineId: string, entry: Entry<MachineRecord>): void {
    if (entry.status === "absent") this.#records.delete(machineId);
    else this.#records.set(machineId, entry);
    this.#publish(machineId);
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
      this.#model.removeMachine(machineId);
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
