import { Backoff } from "@fleet/runtime";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const highest = () => 1;
const lowest = () => 0;

function delays(backoff: Backoff, count: number): readonly number[] {
  return Array.from({ length: count }, () => backoff.next());
}

describe("Backoff", () => {
  test("doubles up to the largest delay and stays there", () => {
    expect(delays(new Backoff({ initialMs: 100, maxMs: 500 }, highest), 5)).toEqual([
      100, 200, 400, 500, 500,
    ]);
  });

  test("jitter takes away at most half", () => {
    expect(delays(new Backoff({ initialMs: 100, maxMs: 500 }, lowest), 4)).toEqual([50, 100, 200, 250]);
  });

  test("grows by the factor given", () => {
    expect(delays(new Backoff({ initialMs: 10, maxMs: 1_000, factor: 3 }, highest), 4)).toEqual([
      10, 30, 90, 270,
    ]);
  });

  test("begins anew after a success", () => {
    const backoff = new Backoff({ initialMs: 100, maxMs: 500 }, highest);
    delays(backoff, 3);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  test("never exceeds the largest delay nor becomes zero, however often it is asked", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 2_000 }),
        (initialMs, maxMs, random, attempts) => {
          const last = delays(new Backoff({ initialMs, maxMs }, () => random), attempts).at(-1);
          expect(last).toBeLessThanOrEqual(maxMs);
          expect(last).toBeGreaterThan(0);
        },
      ),
    );
  });
});
