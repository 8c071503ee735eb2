import { Multimap, type Values } from "./multimap.ts";
import type { Assignment } from "./records.ts";
import { Tally } from "./tally.ts";

/** A record that is there and cannot be read: it is kept, and nothing is decided about what it names. */
export const unreadable = "unreadable" as const;
export type Unreadable = typeof unreadable;

const none: ReadonlyMap<string, Assignment | Unreadable> = new Map();
const nobody: readonly string[] = [];

/**
 * Who is where: assignments (what the engine ordered) and state rows (what an agent has, or had, loaded).
 *
 * Invariants:
 * - `machinesOf` and `rowMachines` are the exact inverses of `assignedOn` and `rowsOn`;
 * - `exactingOn` holds those of a machine's occupants, by assignment or by row, that were last said to be exacting.
 */
export class Occupancy {
  readonly #assigned = new Map<string, Map<string, Assignment | Unreadable>>();
  readonly #machinesOf = new Multimap();
  /** Machine → units assigned there that wait for others to be gone. */
  readonly #awaitingOn = new Multimap();
  readonly #rowsOn = new Multimap();
  readonly #rowMachines = new Multimap();
  /** Unit files that assignments order; one that cannot be read counts as `unreadable`. */
  readonly #files = new Tally();
  readonly #exactingOn = new Multimap();

  assignment(machineId: string, unit: string): Assignment | Unreadable | undefined {
    return this.#assigned.get(machineId)?.get(unit);
  }

  /** By unit name. */
  assignedOn(machineId: string): ReadonlyMap<string, Assignment | Unreadable> {
    return this.#assigned.get(machineId) ?? none;
  }

  machinesWithAssignments(): Iterable<string> {
    return this.#assigned.keys();
  }

  assignedUnits(): Iterable<string> {
    return this.#machinesOf.keys();
  }

  /** The machines the unit is assigned to. */
  machinesOf(unit: string): Values {
    return this.#machinesOf.get(unit);
  }

  /** The units assigned to the machine that are to wait until `unit` is gone from it. */
  awaiting(machineId: string, unit: string): readonly string[] {
    const all = this.#awaitingOn.get(machineId);
    if (all.size === 0) return nobody;
    return [...all].filter((name) => {
      const entry = this.assignment(machineId, name);
      return entry !== undefined && entry !== unreadable && entry.awaits.includes(unit);
    });
  }

  /** The units the machine has a state row for. */
  rowsOn(machineId: string): Values {
    return this.#rowsOn.get(machineId);
  }

  hasRow(machineId: string, unit: string): boolean {
    return this.#rowsOn.has(machineId, unit);
  }

  /** The machines that have a state row for the unit. */
  rowMachines(unit: string): Values {
    return this.#rowMachines.get(unit);
  }

  occupies(machineId: string, unit: string): boolean {
    return this.assignedOn(machineId).has(unit) || this.hasRow(machineId, unit);
  }

  /** The occupants of the machine whose Conflicts or Replaces keep others away. */
  exactingOn(machineId: string): Values {
    return this.#exactingOn.get(machineId);
  }

  /** The unit, wherever it is, keeps others away from now on, or no longer. */
  setExacting(unit: string, exacting: boolean): void {
    for (const machines of [this.machinesOf(unit), this.rowMachines(unit)]) {
      for (const machineId of machines) {
        if (exacting) this.#exactingOn.add(machineId, unit);
        else this.#exactingOn.delete(machineId, unit);
      }
    }
  }

  /** Some assignment orders this unit file. */
  isFileOrdered(hash: string): boolean {
    return this.#files.has(hash);
  }

  /** Some assignment orders nobody knows what. */
  get hasUnreadableAssignment(): boolean {
    return this.#files.has(unreadable);
  }

  /** `exacting`: the unit keeps others away, see `setExacting`. */
  setAssignment(
    machineId: string,
    unit: string,
    entry: Assignment | Unreadable | undefined,
    exacting: boolean,
  ): void {
    const units = this.#assigned.get(machineId);
    const former = units?.get(unit);
    if (entry !== undefined) this.#files.add(fileOf(entry));
    if (former !== undefined) this.#files.remove(fileOf(former));
    if (entry !== undefined && entry !== unreadable && entry.awaits.length > 0) {
      this.#awaitingOn.add(machineId, unit);
    } else this.#awaitingOn.delete(machineId, unit);
    if (entry === undefined) {
      units?.delete(unit);
      if (units?.size === 0) this.#assigned.delete(machineId);
      this.#machinesOf.delete(unit, machineId);
      this.#noteExacting(machineId, unit, exacting);
      return;
    }
    if (units === undefined) this.#assigned.set(machineId, new Map([[unit, entry]]));
    else units.set(unit, entry);
    this.#machinesOf.add(unit, machineId);
    this.#noteExacting(machineId, unit, exacting);
  }

  /** `exacting`: see `setAssignment`. */
  setRow(machineId: string, unit: string, there: boolean, exacting: boolean): void {
    if (there) {
      this.#rowsOn.add(machineId, unit);
      this.#rowMachines.add(unit, machineId);
    } else {
      this.#rowsOn.delete(machineId, unit);
      this.#rowMachines.delete(unit, machineId);
    }
    this.#noteExacting(machineId, unit, exacting);
  }

  #noteExacting(machineId: string, unit: string, exacting: boolean): void {
    if (!exacting) return;
    if (this.occupies(machineId, unit)) this.#exactingOn.add(machineId, unit);
    else this.#exactingOn.delete(machineId, unit);
  }
}

function fileOf(entry: Assignment | Unreadable): string {
  return entry === unreadable ? unreadable : entry.hash;
}
