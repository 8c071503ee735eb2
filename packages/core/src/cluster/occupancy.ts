import { Multimap, type Values } from "./multimap.ts";
import type { Assignment } from "./records.ts";

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
 * - `exactingOn` holds those of a machine's occupants, by assignment or by row, that `setExacting` was told of.
 */
export class Occupancy {
  readonly #assigned = new Map<string, Map<string, Assignment | Unreadable>>();
  readonly #machinesOf = new Multimap();
  /** Machine → units assigned there that wait for others to be gone. */
  readonly #awaitingOn = new Multimap();
  readonly #rowsOn = new Multimap();
  readonly #rowMachines = new Multimap();
  readonly #exacting = new Set<string>();
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

  /** Whether the unit, wherever it is, keeps others away. */
  setExacting(unit: string, exacting: boolean): void {
    if (this.#exacting.has(unit) === exacting) return;
    if (exacting) this.#exacting.add(unit);
    else this.#exacting.delete(unit);
    for (const machines of [this.machinesOf(unit), this.rowMachines(unit)]) {
      for (const machineId of machines) {
        if (exacting) this.#exactingOn.add(machineId, unit);
        else this.#exactingOn.delete(machineId, unit);
      }
    }
  }

  setAssignment(machineId: string, unit: string, entry: Assignment | Unreadable | undefined): void {
    const units = this.#assigned.get(machineId);
    if (entry !== undefined && entry !== unreadable && entry.awaits.length > 0) {
      this.#awaitingOn.add(machineId, unit);
    } else this.#awaitingOn.delete(machineId, unit);
    if (entry === undefined) {
      units?.delete(unit);
      if (units?.size === 0) this.#assigned.delete(machineId);
      this.#machinesOf.delete(unit, machineId);
      this.#reviewExacting(machineId, unit);
      return;
    }
    if (units === undefined) this.#assigned.set(machineId, new Map([[unit, entry]]));
    else units.set(unit, entry);
    this.#machinesOf.add(unit, machineId);
    this.#reviewExacting(machineId, unit);
  }

  setRow(machineId: string, unit: string, there: boolean): void {
    if (there) {
      this.#rowsOn.add(machineId, unit);
      this.#rowMachines.add(unit, machineId);
    } else {
      this.#rowsOn.delete(machineId, unit);
      this.#rowMachines.delete(unit, machineId);
    }
    this.#reviewExacting(machineId, unit);
  }

  #reviewExacting(machineId: string, unit: string): void {
    if (!this.#exacting.has(unit)) return;
    if (this.occupies(machineId, unit)) this.#exactingOn.add(machineId, unit);
    else this.#exactingOn.delete(machineId, unit);
  }
}
