import { describe, expect, it } from "vitest";
import { mapBounded } from "../../../packages/fleetctl/src/bounded.ts";

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
};

describe("mapBounded", () => {
  it("keeps the order of the items, whichever is done first", async () => {
    const items = Array.from({ length: 30 }, (_, index) => index);
    const results = await mapBounded(items, async (item) => {
      await turns((item * 7) % 11);
      return item;
    });
    expect(results).toEqual(items);
  });

  it("keeps results that are undefined in their place", async () => {
    expect(await mapBounded([1, 2, 3], async (item) => (item === 2 ? undefined : item))).toEqual([
      1,
      undefined,
      3,
    ]);
  });

  it.each([
    [undefined, 8],
    [64, 64],
  ])("given a bound of %s has at most %i at work", async (atOnce, expected) => {
    let working = 0;
    let most = 0;
    await mapBounded(
      Array.from({ length: 100 }),
      async () => {
        working += 1;
        most = Math.max(most, working);
        await turns(3);
        working -= 1;
      },
      atOnce,
    );
    expect(most).toBe(expected);
  });

  it("throws the first failure and takes no more items", async () => {
    let taken = 0;
    const failing = mapBounded(Array.from({ length: 100 }), async () => {
      taken += 1;
      await turns(1);
      throw new Error(`number ${taken}`);
    });
    await expect(failing).rejects.toThrow("number 8");
    expect(taken).toBe(8);
  });
});
