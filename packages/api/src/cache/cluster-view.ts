import { isGlobalUnit, type TargetState, type UnitOption } from "@fleet/core";
import type {
  AssignmentRecord,
  Change,
  ChangeBatch,
  ConfirmedLossesRecord,
  Entry,
  MachineRecord,
  MassLossRecord,
  MetadataRecord,
  StateRecord,
  UnitRecord,
} from "@fleet/registry";
import type { Losses } from "../contract/losses.ts";
import type { UnitSummary } from "../contract/watch.ts";
import type { ApiMachine, ApiUnit, ApiUnitState } from "../contract/wire.ts";
import { EventLog } from "./event-log.ts";
import { SortedKeys } from "./sorted-keys.ts";
import { splitStateKey, stateKey, type ViewChange, viewChangeOf } from "./view-change.ts";

/** Where a unit is and what became of it there. */
export interface Placement {
  readonly currentState: TargetState;
  readonly machineID?: string;
}

/** A global unit is on no machine of its own. */
const notPlaced = { currentState: "inactive" } as const;

/**
 * The cluster as the API shows it, built from change batches.
 *
 * Invariants:
 * - it is the store's content at `revision`, unreadable rows excepted: those keep the value they had before,
 *   or stay unknown;
 * - the sorted keys are exactly the keys of the corresponding maps.
 */
export class ClusterView {
  /** Revision of the last batch; 0 before the first. */
  revision = 0;
  readonly unitNames = new SortedKeys();
  readonly stateKeys = new SortedKeys();
  readonly machineIds = new SortedKeys();
  readonly events = new EventLog();

  readonly #units = new Map<string, Pick<UnitRecord, "hash" | "target">>();
  readonly #bodies = new Map<string, readonly UnitOption[]>();
  readonly #machines = new Map<string, Pick<MachineRecord, "publicIp" | "metadata">>();
  /** machine → key → value set through the API; undefined is a tombstone. */
  readonly #overrides = new Map<string, Map<string, string | undefined>>();
  /** unit → machines it is assigned to. */
  readonly #assigned = new Map<string, Set<string>>();
  /** unit → machine → published state. */
  readonly #states = new Map<string, Map<string, StateRecord>>();
  #massLoss: MassLossRecord | undefined;
  #confirmedLosses: ConfirmedLossesRecord | undefined;

  apply(batch: ChangeBatch): ViewChange {
    for (const change of batch.changes) this.#apply(change);
    // It only grows, until the store is seeded anew: revisions may begin at the beginning then.
    this.revision = batch.revision;
    return viewChangeOf(batch);
  }

  /** A unit as listings show it; undefined when unknown or its file unreadable. */
  unit(name: string): ApiUnit | undefined {
    const row = this.#readable(name);
    if (row === undefined) return undefined;
    const { options, global, hash, target } = row;
    const placement = global ? notPlaced : this.placement(name, hash);
    return { name, options: [...options], desiredState: target, ...placement };
  }

  /** A unit without its file; undefined when unknown or its file unreadable. */
  summary(name: string): UnitSummary | undefined {
    const row = this.#readable(name);
    if (row === undefined) return undefined;
    const { options, global, hash, target } = row;
    const description = options.find((each) => each.section === "Unit" && each.name === "Description")?.value;
    return {
      name,
      desiredState: target,
      ...(global ? notPlaced : this.placement(name, hash)),
      hash,
      ...(global ? { global } : {}),
      ...(description === undefined || description === "" ? {} : { description }),
    };
  }

  /**
   * Where a unit that is not global stands. A state published for other content than `hash` says nothing about
   * the unit as it is now.
   */
  placement(name: string, hash: string): Placement {
    const states = this.#states.get(name);
    const machineID = first(this.#assigned.get(name)) ?? first(states?.keys());
    if (machineID === undefined) return { currentState: "inactive" };
    const state = states?.get(machineID);
    if (state === undefined || state.hash !== hash) return { currentState: "inactive", machineID };
    return { currentState: state.launched ? "launched" : "loaded", machineID };
  }

  /** Machines for which re-placing is held, those apart that were confirmed as lost already. */
  losses(): Losses {
    if (this.#massLoss === undefined) return {};
    const { atMs, vanished, of, machines } = this.#massLoss;
    const confirmed = new Set(this.#confirmedLosses?.machines);
    const open = machines.filter((id) => !confirmed.has(id));
    if (open.length === 0) return {};
    return { massLoss: { at: new Date(atMs).toISOString(), vanished, of, machines: open } };
  }

  state(key: string): ApiUnitState | undefined {
    const { name, machineID } = splitStateKey(key);
    const state = this.#states.get(name)?.get(machineID);
    if (state === undefined) return undefined;
    return {
      name,
      hash: state.hash,
      machineID,
      systemdLoadState: state.load,
      systemdActiveState: state.active,
      systemdSubState: state.sub,
      ...(state.problem === undefined ? {} : { problem: state.problem }),
    };
  }

  /** The state a client asks for by unit: that of its assigned machine, else of the first that has one. */
  stateOfUnit(name: string): ApiUnitState | undefined {
    const states = this.#states.get(name);
    if (states === undefined) return undefined;
    const assigned = [...(this.#assigned.get(name) ?? [])].filter((machineId) => states.has(machineId));
    const machineId = first(assigned) ?? first(states.keys());
    return machineId === undefined ? undefined : this.state(stateKey(name, machineId));
  }

  /** Keys of the states of one unit. */
  statesOfUnit(name: string): readonly string[] {
    return [...(this.#states.get(name)?.keys() ?? [])].map((machineId) => stateKey(name, machineId)).sort();
  }

  machine(id: string): ApiMachine | undefined {
    const row = this.#machines.get(id);
    if (row === undefined) return undefined;
    const metadata = new Map(Object.entries(row.metadata));
    for (const [key, value] of this.#overrides.get(id) ?? []) {
      if (value === undefined) metadata.delete(key);
      else metadata.set(key, value);
    }
    return {
      id,
      ...(row.publicIp === "" ? {} : { primaryIP: row.publicIp }),
      ...(metadata.size === 0 ? {} : { metadata: Object.fromEntries(metadata) }),
    };
  }

  #readable(name: string) {
    const row = this.#units.get(name);
    const options = row === undefined ? undefined : this.#bodies.get(row.hash);
    if (row === undefined || options === undefined) return undefined;
    return { ...row, options, global: isGlobalUnit(name, options) };
  }

  #apply(change: Change): void {
    switch (change.kind) {
      case "unit":
        keep(this.#units, change.name, change.entry);
        reflect(this.unitNames, change.name, this.#units.has(change.name));
        return;
      case "body":
        keep(this.#bodies, change.hash, change.entry);
        return;
      case "machine":
        keep(this.#machines, change.machineId, change.entry);
        reflect(this.machineIds, change.machineId, this.#machines.has(change.machineId));
        return;
      case "metadata":
        this.#applyOverride(change.machineId, change.key, change.entry);
        return;
      case "assignment":
        this.#applyAssignment(change.unit, change.machineId, change.entry);
        return;
      case "state":
        this.#applyState(change.unit, change.machineId, change.entry);
        return;
      case "events":
        this.events.apply(change.id, change.entry);
        return;
      case "cluster":
      case "leader":
      case "exclusive-hold":
      case "reschedule":
      case "restart":
      case "settled":
        return;
      case "mass-loss":
        this.#massLoss = readable(change.entry, this.#massLoss);
        return;
      case "confirmed-losses":
        this.#confirmedLosses = readable(change.entry, this.#confirmedLosses);
        return;
    }
  }

  #applyOverride(machineId: string, key: string, entry: Entry<MetadataRecord>): void {
    if (entry.status === "corrupt") return;
    const overrides = this.#overrides.get(machineId) ?? new Map<string, string | undefined>();
    if (entry.status === "absent") overrides.delete(key);
    else overrides.set(key, "value" in entry.value ? entry.value.value : undefined);
    if (overrides.size === 0) this.#overrides.delete(machineId);
    else this.#overrides.set(machineId, overrides);
  }

  #applyAssignment(unit: string, machineId: string, entry: Entry<AssignmentRecord>): void {
    // An unreadable assignment is one all the same: the unit is held there.
    const machines = this.#assigned.get(unit) ?? new Set<string>();
    if (entry.status === "absent") machines.delete(machineId);
    else machines.add(machineId);
    if (machines.size === 0) this.#assigned.delete(unit);
    else this.#assigned.set(unit, machines);
  }

  #applyState(unit: string, machineId: string, entry: Entry<StateRecord>): void {
    const states = this.#states.get(unit) ?? new Map<string, StateRecord>();
    keep(states, machineId, entry);
    if (states.size === 0) this.#states.delete(unit);
    else this.#states.set(unit, states);
    reflect(this.stateKeys, stateKey(unit, machineId), states.has(machineId));
  }
}

/** Puts or deletes; an entry that cannot be read leaves what was there before. */
function keep<Value>(rows: Map<string, Value>, key: string, entry: Entry<Value>): void {
  if (entry.status === "present") rows.set(key, entry.value);
  else if (entry.status === "absent") rows.delete(key);
}

function reflect(keys: SortedKeys, key: string, present: boolean): void {
  if (present) keys.add(key);
  else keys.delete(key);
}

/** The lowest, so that every daemon names the same machine. */
function first(ids: Iterable<string> | undefined): string | undefined {
  let lowest: string | undefined;
  for (const id of ids ?? []) if (lowest === undefined || id < lowest) lowest = id;
  return lowest;
}

/** A record that cannot be read leaves what was there before. */
function readable<Value>(entry: Entry<Value>, before: Value | undefined): Value | undefined {
  if (entry.status === "corrupt") return before;
  return entry.status === "present" ? entry.value : undefined;
}
