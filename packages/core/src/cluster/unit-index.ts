import { Multimap, type Values } from "./multimap.ts";
import { type Unreadable, unreadable } from "./occupancy.ts";
import type { Unit } from "./records.ts";
import { type ReadableUnit, readable } from "./unit-standing.ts";

/**
 * Units by name, with what planning asks for: who is global, who follows whom, who is yet to be placed.
 *
 * Invariants:
 * - `globals` and `unplaced` hold only units that are to run and whose requirements can be read;
 * - `undecided` holds every unit that may be meant to run and of which nobody can read where it may.
 */
export class UnitIndex {
  readonly globals = new Set<string>();
  readonly undecided = new Set<string>();
  readonly unplaced = {
    all: new Set<string>(),
    conflicting: new Set<string>(),
    replacing: new Set<string>(),
  };
  readonly #records = new Map<string, Unit | Unreadable>();
  readonly #readable = new Map<string, ReadableUnit>();
  readonly #followers = new Multimap();

  record(name: string): Unit | Unreadable | undefined {
    return this.#records.get(name);
  }

  readable(name: string): ReadableUnit | undefined {
    return this.#readable.get(name);
  }

  names(): Iterable<string> {
    return this.#records.keys();
  }

  followers(unit: string): Values {
    return this.#followers.get(unit);
  }

  set(name: string, record: Unit | Unreadable | undefined, placed: boolean): void {
    for (const peer of this.#readable.get(name)?.requirements.machineOf ?? []) {
      this.#followers.delete(peer, name);
    }
    if (record === undefined) this.#records.delete(name);
    else this.#records.set(name, record);

    const unit = record === undefined || record === unreadable ? undefined : readable(record);
    if (unit === undefined) this.#readable.delete(name);
    else this.#readable.set(name, unit);
    // What it was in for the requirements that it had.
    this.unplaced.conflicting.delete(name);
    this.unplaced.replacing.delete(name);
    for (const peer of unit?.requirements.machineOf ?? []) this.#followers.add(peer, name);
    const unknown = unit === undefined && record !== undefined;
    put(this.undecided, name, unknown && (record === unreadable || record.target !== "inactive"));
    put(this.globals, name, unit?.requirements.global === true && unit.target !== "inactive");
    this.setPlaced(name, placed);
  }

  /** The unit has (or no longer has) an assignment. */
  setPlaced(name: string, placed: boolean): void {
    const unit = this.#readable.get(name);
    const waits = !placed && unit !== undefined && unit.target !== "inactive" && !unit.requirements.global;
    const { all, conflicting, replacing } = this.unplaced;
    put(all, name, waits);
    // Most units do neither, and are in none of these.
    if (unit === undefined || unit.requirements.conflicts.length > 0) put(conflicting, name, waits);
    if (unit === undefined || unit.requirements.replaces.length > 0) put(replacing, name, waits);
  }
}

function put(set: Set<string>, name: string, there: boolean): void {
  if (there) set.add(name);
  else set.delete(name);
}
