import type { ApiUnit, ApiUnitState, ClientMachine, WatchDelta, WatchSnapshot } from "@fleet/api/client";
import { streamedMachine } from "../output/streamed-machine.ts";

/** What is known of one unit at a moment. */
export interface Sight {
  /** Undefined when the unit does not exist. */
  readonly unit: ApiUnit | undefined;
  readonly states: readonly ApiUnitState[];
}

/**
 * What the server has said so far about the units waited for, filled from its stream or by polling.
 * Invariant: a unit is in `#known` only once the server has been heard about it, so that "not heard of yet"
 * is never taken for "does not exist".
 */
export class Picture {
  readonly #known = new Set<string>();
  readonly #units = new Map<string, ApiUnit>();
  readonly #states = new Map<string, ReadonlyMap<string, ApiUnitState>>();
  readonly #machines = new Map<string, ClientMachine>();

  /** Undefined until the server has said something about the unit. */
  sight(name: string): Sight | undefined {
    if (!this.#known.has(name)) return undefined;
    return { unit: this.#units.get(name), states: [...(this.#states.get(name)?.values() ?? [])] };
  }

  machine(id: string): ClientMachine | undefined {
    return this.#machines.get(id);
  }

  /** @param names The units the stream was asked for. */
  applySnapshot(snapshot: WatchSnapshot, names: readonly string[]): void {
    this.#units.clear();
    this.#states.clear();
    this.#machines.clear();
    for (const name of names) this.#known.add(name);
    for (const unit of snapshot.units) this.#units.set(unit.name, unit);
    for (const state of snapshot.states) this.#putState(state);
    for (const machine of snapshot.machines) this.#putMachine(machine);
  }

  applyDelta(delta: WatchDelta): void {
    for (const name of delta.units?.removed ?? []) this.#units.delete(name);
    for (const unit of delta.units?.put ?? []) this.#units.set(unit.name, unit);
    for (const { name, machineID } of delta.states?.removed ?? []) {
      const rest = new Map(this.#states.get(name));
      rest.delete(machineID);
      this.#states.set(name, rest);
    }
    for (const state of delta.states?.put ?? []) this.#putState(state);
    for (const machine of delta.machines?.put ?? []) this.#putMachine(machine);
  }

  /** The answer to a poll. */
  applyUnit(name: string, unit: ApiUnit | undefined): void {
    this.#known.add(name);
    if (unit === undefined) this.#units.delete(name);
    else this.#units.set(name, unit);
  }

  /** The answer to a poll. */
  applyState(name: string, state: ApiUnitState | undefined): void {
    this.#states.set(name, new Map(state === undefined ? [] : [[state.machineID, state]]));
  }

  #putState(state: ApiUnitState): void {
    this.#states.set(state.name, new Map(this.#states.get(state.name)).set(state.machineID, state));
  }

  #putMachine(machine: WatchSnapshot["machines"][number]): void {
    this.#machines.set(machine.id, streamedMachine(machine));
  }
}
