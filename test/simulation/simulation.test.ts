import { describe, expect, test } from "vitest";
import { run } from "./run.ts";

const { SEED: seed, SEEDS: seeds = "150" } = process.env;

describe("a simulated cluster", () => {
  test.runIf(seed !== undefined)(`seed ${seed}`, async () => {
    await run(Number(seed), { calm: false });
  });

  test.skipIf(seed !== undefined)(`keeps its promises under faults, ${seeds} seeds`, async () => {
    const totals = new Map<string, number>();
    for (let next = 1; next <= Number(seeds); next += 1) {
      const { counts } = await run(next, { calm: false });
      for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
    }
    console.info(`injected: ${[...totals].map(([name, count]) => `${name} ${count}`).join(", ")}`);
    // A fault that never comes up proves nothing.
    expect(totals.size).toBe(13);
  });

  test.skipIf(seed !== undefined)("never runs a unit twice while nothing fails, 50 seeds", async () => {
    for (let next = 1; next <= 50; next += 1) await run(next, { calm: true });
  });

  test("replays a seed exactly", async () => {
    const { story } = await run(7, { calm: false });
    expect((await run(7, { calm: false })).story).toBe(story);
    expect((await run(8, { calm: false })).story).not.toBe(story);
  });
});
