import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = new URL("../../../", import.meta.url);
const { chosenDrills, DRILLS } = await import(new URL("scripts/drills.mjs", root).href);

function drill(...args: readonly string[]): ReturnType<typeof spawnSync> {
  const program = fileURLToPath(new URL("scripts/drill.mjs", root));
  return spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
}

describe("npm run drill", () => {
  it("knows every drill there is, and no other", async () => {
    const files = await readdir(new URL("test/drills", root));
    const names = files.flatMap((file) =>
      file.endsWith(".test.ts") ? [file.slice(0, -".test.ts".length)] : [],
    );
    expect([...DRILLS.keys()].sort()).toEqual(names.sort());
  });

  it("lists them, one line each, when none is named", () => {
    const { status, stdout } = drill();
    expect(status).toBe(0);
    for (const [name, { line }] of DRILLS) expect(stdout).toMatch(new RegExp(`^  ${name} +${line}$`, "m"));
  });

  it("refuses a name that is none, names it, and lists those there are", () => {
    const { status, stdout, stderr } = drill("leader-killed", "leader-kiled");
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^no such drill: leader-kiled\. There are:\n/);
    expect(stderr).toContain("leader-killed");
  });

  it.each([
    [["soak"], ["soak"], []],
    [["soak", "--bail=1", "soak", "flapping"], ["soak", "flapping"], ["--bail=1"]],
    [["all", "soak"], [...DRILLS.keys()], []],
  ])("%j plays %j", (args, names, options) => {
    expect(chosenDrills(args)).toMatchObject({ list: false, unknown: [], names, options });
  });
});
