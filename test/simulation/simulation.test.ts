import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { run } from "./run.ts";

const checkout = join(import.meta.dirname, "../..");
const { SEEDS: seeds = "200" } = process.env;

describe("a simulated cluster", () => {
  test(`keeps its promises under faults, ${seeds} seeds`, async () => {
    const args = ["scripts/sim.mjs", "--seeds", seeds, "--json"];
    // Rejects, with the trace and the command that replays it, when a promise was broken.
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: checkout,
      maxBuffer: 64 * 1024 * 1024,
    });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ seeds: Number(seeds), failures: [] });
    // A fault that never comes up proves nothing, nor does a promise that was never tried.
    expect(Object.keys(report.counts)).toHaveLength(56);
    // Two minutes on two idle cores; what else runs on them must not fail it.
  }, 1_800_000);

  test("replays a seed exactly", async () => {
    const { story } = await run(7, { calm: false, steps: 100 });
    expect((await run(7, { calm: false, steps: 100 })).story).toBe(story);
    expect((await run(8, { calm: false, steps: 100 })).story).not.toBe(story);
  });
});
