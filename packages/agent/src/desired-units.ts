import { type Assignment, orderAlone, type Settled } from "@fleet/core";
import type { Change, ChangeBatch } from "@fleet/registry";

export interface DesiredUnit {
  readonly assignment: Assignment;
  /** Revision at which this assignment was written: publishing the first row checks that it still stands. */
  readonly assignedAt: number;
}

/** What the registry orders this machine to run, as far as it has been heard. */
export class DesiredUnits {
  readonly #machineId: string;
  readonly #units = new Map<string, DesiredUnit>();
  readonly #assignments = new Map<string, Assignment>();
  readonly #unreadable = new Set<string>();
  #settled: Settled | undefined;

  constructor(machineId: string) {
    this.#machineId = machineId;
  }

  get unreadable(): ReadonlySet<string> {
    return this.#unreadable;
  }

  /** The registration that the engine has last taken into account, and what is kept besides what is assigned. */
  get settled(): Settled | undefined {
    return this.#settled;
  }

  get(unit: string): DesiredUnit | undefined {
    return this.#units.get(unit);
  }

  get assignments(): ReadonlyMap<string, Assignment> {
    return this.#assignments;
  }

  apply(batch: ChangeBatch): void {
    for (const change of batch.changes) this.#applyChange(change);
  }

  #applyChange(change: Change): void {
    if (change.kind === "settled") {
      this.#settled = change.entry.status === "present" ? change.entry.value : undefined;
      return;
    }
    if (change.kind !== "assignment") return;
    const { unit, entry } = change;
    this.#unreadable.delete(unit);
    switch (entry.status) {
      case "present": {
        const assignment = { machineId: this.#machineId, unit, ...orderAlone(entry.value) };
        this.#units.set(unit, { assignment, assignedAt: entry.modRevision });
        this.#assignments.set(unit, assignment);
        break;
      }
      case "absent":
        this.#units.delete(unit);
        this.#assignments.delete(unit);
        break;
      case "corrupt":
        this.#unreadable.add(unit);
        break;
    }
  }
}
