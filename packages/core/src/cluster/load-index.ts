import { compareText, lowerBound } from "./order.ts";
import type { Machine } from "./records.ts";

/** A machine in an index. Its load says in which bucket it is: where else it is named, it was before. */
interface Place {
  readonly machine: Machine;
  /** -1 once it has left the index. */
  load: number;
}

/** Where a machine is in an index: what is kept of it by whoever added it. */
export type MachinePlace = Readonly<Place>;

/**
 * Machines by the number of units assigned to them, for the least-loaded pick. Who adds a machine keeps its place, and moves
 * and removes it by that: placing a unit moves a machine in several indexes, each of which would have to find it by its id.
 *
 * Invariant: bucket n names every machine of load n. What else it names has gone to another load.
 */
export class LoadIndex {
  readonly #buckets: Bucket[] = [];
  #size = 0;

  /** Number of machines. */
  get size(): number {
    return this.#size;
  }

  /** The machine, which must not be here, at this load. */
  add(machine: Machine, load: number): MachinePlace {
    const place: Place = { machine, load };
    this.#size += 1;
    this.#enter(place);
    return place;
  }

  /** The machine of the place, which must be of this index, has another load now. */
  move(place: MachinePlace, load: number): void {
    if (place.load === load) return;
    this.#leave(place, load);
    this.#enter(place);
  }

  /** The machine of the place, which must be of this index, is no longer here. */
  remove(place: MachinePlace): void {
    this.#size -= 1;
    this.#leave(place, -1);
  }

  /** Least loaded first, ties in order of id. The index must not be changed while this is being consumed. */
  *ascending(): Generator<Machine> {
    for (const bucket of this.#buckets) yield* bucket.machines();
  }

  /**
   * Shows the machines of several indexes, which share none, in the order of `ascending` until one is accepted. Nothing is
   * made for that, as it would be for an iterator: this is what placing a unit takes most often.
   */
  static find(indexes: readonly LoadIndex[], accepts: (machine: Machine) => boolean): void {
    const [only] = indexes;
    if (only !== undefined && indexes.length === 1) {
      for (const bucket of only.#buckets) if (bucket.some(accepts)) return;
      return;
    }
    const highest = Math.max(0, ...indexes.map((index) => index.#buckets.length));
    for (let load = 0; load < highest; load += 1) {
      const machines = indexes.flatMap((index) => [...(index.#buckets[load]?.machines() ?? [])]);
      if (machines.sort((left, right) => compareText(left.id, right.id)).some(accepts)) return;
    }
  }

  #enter(place: MachinePlace): void {
    for (let next = this.#buckets.length; next <= place.load; next += 1) this.#buckets.push(new Bucket(next));
    this.#buckets[place.load]?.enter(place);
  }

  #leave(place: Place, to: number): void {
    const former = this.#buckets[place.load];
    place.load = to;
    former?.leave();
  }
}

/**
 * The machines of one load. Who leaves stays in the array for a while: nearly always the first one leaves, and to close the gap
 * would move all others.
 *
 * Invariants:
 * - from `#first` on ids ascend, and every machine that is here is among them;
 * - no more ids are of machines that have left than of those that are here, a few apart.
 */
class Bucket {
  readonly #load: number;
  #places: MachinePlace[] = [];
  #first = 0;
  #size = 0;

  constructor(load: number) {
    this.#load = load;
  }

  /** The machine is here, and was not. */
  enter(place: MachinePlace): void {
    this.#size += 1;
    const places = this.#places;
    const last = places.at(-1);
    // What comes in order needs no search.
    if (last === undefined || last.machine.id < place.machine.id) {
      places.push(place);
      return;
    }
    const at = lowerBound(places, place, byId, this.#first);
    // It was here before, if perhaps as another place.
    if (places[at]?.machine.id === place.machine.id) {
      places[at] = place;
      return;
    }
    if (at > this.#first || at === 0) {
      places.splice(at, 0, place);
      return;
    }
    this.#first -= 1;
    places[this.#first] = place;
  }

  /** A machine is no longer here. */
  leave(): void {
    this.#size -= 1;
    const load = this.#load;
    const places = this.#places;
    while (this.#first < places.length && places[this.#first]?.load !== load) this.#first += 1;
    if (places.length <= 2 * this.#size + fewLeft) return;
    this.#places = places.slice(this.#first).filter((place) => place.load === load);
    this.#first = 0;
  }

  /** Whether one of the machines, asked in order of id, is accepted. */
  some(accepts: (machine: Machine) => boolean): boolean {
    for (let at = this.#first; at < this.#places.length; at += 1) {
      const place = this.#places[at];
      if (place?.load === this.#load && accepts(place.machine)) return true;
    }
    return false;
  }

  /** By id. */
  *machines(): Generator<Machine> {
    for (let at = this.#first; at < this.#places.length; at += 1) {
      const place = this.#places[at];
      if (place?.load === this.#load) yield place.machine;
    }
  }
}

function byId(left: MachinePlace, right: MachinePlace): number {
  return compareText(left.machine.id, right.machine.id);
}

/** Not worth an array of their own. */
const fewLeft = 32;
