import { LoadIndex } from "./load-index.ts";
import { Multimap, type Values } from "./multimap.ts";
import { compareText } from "./order.ts";
import type { Machine } from "./records.ts";

/** fleet accepts a machine id shortened to this many characters. */
const shortIdLength = 8;

const noMachines = new LoadIndex();

/**
 * Finds placeable machines: those whose record can be read and that are not leaving.
 *
 * Invariant: a machine is in all of the indexes or in none.
 */
export class MachineIndex {
  readonly loads = new LoadIndex();
  /** A pair that no unit has asked for is not ordered by load: machines have more metadata than units ask for. */
  readonly #loadsWith = new Map<string, Map<string, LoadIndex>>();
  readonly #byMetadata = new Multimap();
  readonly #byShortId = new Multimap();

  add(machine: Machine, load: number): void {
    this.#byShortId.add(machine.id.slice(0, shortIdLength), machine.id);
    for (const [key, value] of machine.metadata) this.#byMetadata.add(pair(key, value), machine.id);
    this.setLoad(machine, load);
  }

  remove(machine: Machine): void {
    this.loads.delete(machine.id);
    this.#byShortId.delete(machine.id.slice(0, shortIdLength), machine.id);
    for (const [key, value] of machine.metadata) {
      this.#byMetadata.delete(pair(key, value), machine.id);
      this.#loadsWith.get(key)?.get(value)?.delete(machine.id);
    }
  }

  setLoad(machine: Machine, load: number): void {
    this.loads.set(machine.id, load);
    if (this.#loadsWith.size === 0) return;
    for (const [key, value] of machine.metadata) this.#loadsWith.get(key)?.get(value)?.set(machine.id, load);
  }

  /** The machines with this metadata, by load. */
  loadsWith(key: string, value: string): LoadIndex {
    const known = this.#loadsWith.get(key)?.get(value);
    if (known !== undefined) return known;
    const machines = this.#byMetadata.get(pair(key, value));
    // What no machine has is not kept: units may ask for anything.
    if (machines.size === 0) return noMachines;
    const loads = new LoadIndex();
    for (const machineId of [...machines].sort(compareText)) loads.set(machineId, this.loads.of(machineId));
    const ofKey = this.#loadsWith.get(key);
    if (ofKey === undefined) this.#loadsWith.set(key, new Map([[value, loads]]));
    else ofKey.set(value, loads);
    return loads;
  }

  /** Machines a MachineID, full or short, may mean. The caller checks which of them it does. */
  withIdLike(machineId: string): Values {
    return this.#byShortId.get(machineId.slice(0, shortIdLength));
  }
}

function pair(key: string, value: string): string {
  // Keys have no line break, so that no two pairs share a text.
  return `${key}\n${value}`;
}
