import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "./run.ts";

const checkout = join(import.meta.dirname, "../..");
const { SEEDS: seeds = "200" } = process.env;

describe("a simulated cluster", () => {
  test(`keeps its promises under faults, ${seeds} seeds`, () => {
    const args = ["scripts/sim.mjs", "--seeds", seeds, "--json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: checkout, encoding: "utf8" });
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ seeds: Number(seeds), failures: [] });
    // A fault that never comes up proves nothing.
    expect(Object.keys(report.counts)).toHaveLength(37);
  });

  test("replays a seed exactly", async () => {
    const { story } = await run(7, { calm: false, steps: 100 });
    expect((await run(7, { calm: false, steps: 100 })).story).toBe(story);
    expect((await run(8, { calm: false, steps: 100 })).story).not.toBe(story);
  });
});
