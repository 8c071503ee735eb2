import { LoadIndex } from "./load-index.ts";
import { Multimap } from "./multimap.ts";
import type { Machine } from "./records.ts";

/** fleet accepts a machine id shortened to this many characters. */
const shortIdLength = 8;

/**
 * Finds placeable machines: those whose record can be read and that are not leaving.
 *
 * Invariant: a machine is in all of the indexes or in none.
 */
export class MachineIndex {
  readonly loads = new LoadIndex();
  readonly #byMetadata = new Multimap();
  readonly #byShortId = new Multimap();

  add(machine: Machine, load: number): void {
    this.loads.set(machine.id, load);
    this.#byShortId.add(machine.id.slice(0, shortIdLength), machine.id);
    for (const [key, value] of machine.metadata) this.#byMetadata.add(pair(key, value), machine.id);
  }

  remove(machine: Machine): void {
    this.loads.delete(machine.id);
    this.#byShortId.delete(machine.id.slice(0, shortIdLength), machine.id);
    for (const [key, value] of machine.metadata) this.#byMetadata.delete(pair(key, value), machine.id);
  }

  withMetadata(key: string, value: string): ReadonlySet<string> {
    return this.#byMetadata.get(pair(key, value));
  }

  /** Machines a MachineID, full or short, may mean. The caller checks which of them it does. */
  withIdLike(machineId: string): ReadonlySet<string> {
    return this.#byShortId.get(machineId.slice(0, shortIdLength));
  }
}

function pair(key: string, value: string): string {
  // Keys have no line break, so that no two pairs share a text.
  return `${key}\n${value}`;
}
