import type { Machine } from "@fleet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LoadIndex, type MachinePlace } from "../../../../packages/core/src/cluster/load-index.ts";

/** Few, so that machines meet in a bucket, leave it and come back; more than stay behind in one unnoticed. */
const machineIds = Array.from({ length: 100 }, (_, index) => `m${String(index).padStart(2, "0")}`);

const change = fc.record({
  machineId: fc.constantFrom(...machineIds),
  load: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
});

/** All of load 0, then the first ones one after the other given a unit: what placing thousands of units does. */
const filled = machineIds.map((machineId) => ({ machineId, load: 0 }));

/** An index, and where in it each machine is. */
class Indexed {
  readonly index = new LoadIndex();
  readonly #places = new Map<string, MachinePlace>();

  /** Adds the machine or moves it; undefined takes it out. */
  set(machineId: string, load: number | undefined): void {
    const place = this.#places.get(machineId);
    if (load === undefined) {
      if (place !== undefined) this.index.remove(place);
      this.#places.delete(machineId);
    } else if (place === undefined) this.#places.set(machineId, this.index.add(machine(machineId), load));
    else this.index.move(place, load);
  }

  of(machineId: string): number | undefined {
    return this.#places.get(machineId)?.load;
  }

  ascending(): readonly string[] {
    return [...this.index.ascending()].map(({ id }) => id);
  }
}

function machine(id: string): Machine {
  return { id, publicIp: "", metadata: new Map(), registration: 1, leaving: false };
}

function ascending(loads: ReadonlyMap<string, number>): readonly string[] {
  return [...loads]
    .sort(([leftId, left], [rightId, right]) => left - right || (leftId < rightId ? -1 : 1))
    .map(([machineId]) => machineId);
}

function indexesOf(several: readonly Indexed[]): readonly LoadIndex[] {
  return several.map(({ index }) => index);
}

describe("the load index", () => {
  test("is in order of load and id after any changes, also when asked after each", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
        const indexed = new Indexed();
        const loads = new Map<string, number>();
        for (const { machineId, load } of [...filled, ...changes]) {
          indexed.set(machineId, load);
          if (load === undefined) loads.delete(machineId);
          else loads.set(machineId, load);
          expect(indexed.of(machineId)).toBe(load);
        }
        expect(indexed.ascending()).toEqual(ascending(loads));
        expect(indexed.index.size).toBe(loads.size);
      }),
    );
  });

  test("fills machines evenly, and takes placements back", () => {
    const indexed = new Indexed();
    const loads = new Map<string, number>();
    const set = (machineId: string, load: number): void => {
      indexed.set(machineId, load);
      loads.set(machineId, load);
    };
    for (const { machineId, load } of filled) set(machineId, load);
    const placed: string[] = [];
    for (let unit = 0; unit < 250; unit += 1) {
      const [least] = indexed.ascending();
      expect(least).toBe(ascending(loads)[0]);
      if (least === undefined) continue;
      placed.push(least);
      set(least, (indexed.of(least) ?? 0) + 1);
    }
    for (const machineId of placed.reverse()) {
      set(machineId, (indexed.of(machineId) ?? 0) - 1);
      expect(indexed.ascending()).toEqual(ascending(loads));
    }
  });

  test("merges several that share no machine", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const several = [new Indexed(), new Indexed(), new Indexed()];
        const loads = new Map<string, number>();
        for (const { machineId, load = 0 } of changes) {
          several[Number(machineId.slice(1)) % several.length]?.set(machineId, load);
          loads.set(machineId, load);
        }
        const shown: string[] = [];
        LoadIndex.find(indexesOf(several), ({ id }) => {
          shown.push(id);
          return false;
        });
        expect(shown).toEqual(ascending(loads));
      }),
    );
  });

  test.each([1, 3])("of %i shows machines until one is accepted", (many) => {
    const several = Array.from({ length: many }, () => new Indexed());
    for (const [at, { machineId, load }] of filled.entries()) several[at % many]?.set(machineId, load);
    const shown: string[] = [];
    LoadIndex.find(indexesOf(several), ({ id }) => {
      shown.push(id);
      return shown.length === 2;
    });
    expect(shown).toEqual(machineIds.slice(0, 2));
  });
});
