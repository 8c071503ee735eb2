import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LoadIndex } from "../../../../packages/core/src/cluster/load-index.ts";

/** Few, so that machines meet in a bucket, leave it and come back; more than stay behind in one unnoticed. */
const machineIds = Array.from({ length: 100 }, (_, index) => `m${String(index).padStart(2, "0")}`);

const change = fc.record({
  machineId: fc.constantFrom(...machineIds),
  load: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
});

/** All of load 0, then the first ones one after the other given a unit: what placing thousands of units does. */
const filled = machineIds.map((machineId) => ({ machineId, load: 0 }));

function ascending(loads: ReadonlyMap<string, number>): readonly string[] {
  return [...loads]
    .sort(([leftId, left], [rightId, right]) => left - right || (leftId < rightId ? -1 : 1))
    .map(([machineId]) => machineId);
}

describe("the load index", () => {
  test("is in order of load and id after any changes, also when asked after each", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
        const index = new LoadIndex();
        const loads = new Map<string, number>();
        for (const { machineId, load } of [...filled, ...changes]) {
          if (load === undefined) {
            index.delete(machineId);
            loads.delete(machineId);
          } else {
            index.set(machineId, load);
            loads.set(machineId, load);
          }
          expect(index.of(machineId)).toBe(load ?? 0);
        }
        expect([...index.ascending()]).toEqual(ascending(loads));
        expect(index.size).toBe(loads.size);
      }),
    );
  });

  test("fills machines evenly, and takes placements back", () => {
    const index = new LoadIndex();
    const loads = new Map<string, number>();
    const set = (machineId: string, load: number): void => {
      index.set(machineId, load);
      loads.set(machineId, load);
    };
    for (const { machineId, load } of filled) set(machineId, load);
    const placed: string[] = [];
    for (let unit = 0; unit < 250; unit += 1) {
      const [least] = index.ascending();
      expect(least).toBe(ascending(loads)[0]);
      if (least === undefined) continue;
      placed.push(least);
      set(least, index.of(least) + 1);
    }
    for (const machineId of placed.reverse()) {
      set(machineId, index.of(machineId) - 1);
      expect([...index.ascending()]).toEqual(ascending(loads));
    }
  });

  test("merges several that share no machine", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const indexes = [new LoadIndex(), new LoadIndex(), new LoadIndex()];
        const loads = new Map<string, number>();
        for (const { machineId, load = 0 } of changes) {
          indexes[Number(machineId.slice(1)) % indexes.length]?.set(machineId, load);
          loads.set(machineId, load);
        }
        const shown: string[] = [];
        LoadIndex.find(indexes, (machineId) => {
          shown.push(machineId);
          return false;
        });
        expect(shown).toEqual(ascending(loads));
      }),
    );
  });

  test.each([1, 3])("of %i shows machines until one is accepted", (many) => {
    const indexes = Array.from({ length: many }, () => new LoadIndex());
    for (const [at, { machineId, load }] of filled.entries()) indexes[at % many]?.set(machineId, load);
    const shown: string[] = [];
    LoadIndex.find(indexes, (machineId) => {
      shown.push(machineId);
      return shown.length === 2;
    });
    expect(shown).toEqual(machineIds.slice(0, 2));
  });
});
