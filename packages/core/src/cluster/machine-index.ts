import { LoadIndex, type MachinePlace } from "./load-index.ts";
import { Multimap, type Values } from "./multimap.ts";
import { compareText } from "./order.ts";
import type { Machine } from "./records.ts";

/** fleet accepts a machine id shortened to this many characters. */
const shortIdLength = 8;

const noMachines = new LoadIndex();

/** Everywhere that an open machine is found by load. */
interface OpenMachine {
  readonly machine: Machine;
  readonly place: MachinePlace;
  readonly places: { readonly index: LoadIndex; readonly place: MachinePlace }[];
}

/**
 * Finds placeable machines: those whose record can be read and that are not leaving.
 *
 * Invariant: a machine is in all of the indexes or in none.
 */
export class MachineIndex {
  readonly loads = new LoadIndex();
  readonly #open = new Map<string, OpenMachine>();
  /** A pair that no unit has asked for is not ordered by load: machines have more metadata than units ask for. */
  readonly #loadsWith = new Map<string, Map<string, LoadIndex>>();
  readonly #byMetadata = new Multimap();
  readonly #byShortId = new Multimap();

  has(machineId: string): boolean {
    return this.#open.has(machineId);
  }

  add(machine: Machine, load: number): void {
    this.#byShortId.add(machine.id.slice(0, shortIdLength), machine.id);
    for (const [key, value] of machine.metadata) this.#byMetadata.add(pair(key, value), machine.id);
    const place = this.loads.add(machine, load);
    const open = { machine, place, places: [{ index: this.loads, place }] };
    this.#open.set(machine.id, open);
    for (const [key, value] of machine.metadata) {
      const index = this.#loadsWith.get(key)?.get(value);
      if (index !== undefined) addTo(index, open);
    }
  }

  remove(machine: Machine): void {
    const open = this.#open.get(machine.id);
    if (open === undefined) return;
    this.#open.delete(machine.id);
    for (const { index, place } of open.places) index.remove(place);
    this.#byShortId.delete(machine.id.slice(0, shortIdLength), machine.id);
    for (const [key, value] of machine.metadata) this.#byMetadata.delete(pair(key, value), machine.id);
  }

  /** Of a machine that is not open nothing is noted. */
  setLoad(machineId: string, load: number): void {
    const open = this.#open.get(machineId);
    if (open === undefined) return;
    for (const { index, place } of open.places) index.move(place, load);
  }

  /** The machines with this metadata, by load. */
  loadsWith(key: string, value: string): LoadIndex {
    const known = this.#loadsWith.get(key)?.get(value);
    if (known !== undefined) return known;
    const machines = this.#byMetadata.get(pair(key, value));
    // What no machine has is not kept: units may ask for anything.
    if (machines.size === 0) return noMachines;
    const loads = new LoadIndex();
    for (const machineId of [...machines].sort(compareText)) {
      const open = this.#open.get(machineId);
      if (open !== undefined) addTo(loads, open);
    }
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

function addTo(index: LoadIndex, { machine, place: { load }, places }: OpenMachine): void {
  places.push({ index, place: index.add(machine, load) });
}

function pair(key: string, value: string): string {
  // Keys have no line break, so that no two pairs share a text.
  return `${key}\n${value}`;
}
