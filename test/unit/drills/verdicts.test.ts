import { describe, expect, it } from "vitest";
import { comparedProcesses, type UnitProcess } from "../../drills/drill.ts";
import { overlapsOf } from "../../drills/exclusive-notes.ts";
import { Timeline } from "../../drills/timeline.ts";
import type { ServiceEvent } from "../../e2e/lab-cluster.ts";

function notes(...lines: readonly string[]): readonly ServiceEvent[] {
  return lines.map((line, index) => {
    const [machine = "", what = ""] = line.split(" ");
    return { unit: "x.service", machine, what, atMs: index };
  });
}

describe("an exclusive unit's notes", () => {
  it.each<[string, readonly string[], number]>([
    [
      "one machine after the other",
      ["m1 start", "m1 runs", "m1 stopping", "m1 stopped", "m2 start", "m2 runs"],
      0,
    ],
    ["a last beat after ExecStop", ["m1 start", "m1 stopped", "m1 runs", "m2 start"], 0],
    ["started twice on one machine in turn", ["m1 start", "m1 stopped", "m1 start"], 0],
    ["a start before ExecStop has ended", ["m1 start", "m1 stopping", "m2 start", "m1 stopped"], 2],
    ["a beat where it ran before", ["m1 start", "m1 stopped", "m2 start", "m1 runs"], 1],
    ["no start at all", ["m1 runs"], 1],
  ])("%s", (_what, lines, count) => {
    expect(overlapsOf(notes(...lines))).toHaveLength(count);
  });
});

describe("processes before and after", () => {
  const process: UnitProcess = { unit: "a.service", machine: "m1", pid: "7", invocation: "i" };

  it.each<[string, readonly UnitProcess[], number, number]>([
    ["the same", [process], 0, 0],
    ["gone", [], 1, 0],
    ["on another machine", [{ ...process, machine: "m2" }], 1, 0],
    ["another process", [{ ...process, pid: "8" }], 0, 1],
    ["the same number, another invocation", [{ ...process, invocation: "j" }], 0, 1],
  ])("%s", (_what, after, stopped, restarted) => {
    expect(comparedProcesses([process], after)).toMatchObject({ stopped, restarted });
  });
});

describe("a timeline", () => {
  it("prints seconds since the first fault, and a verdict for each promise", () => {
    const lines: string[] = [];
    const timeline = new Timeline("quake", (line) => lines.push(line));
    timeline.event("note", "all is well");
    timeline.fault("the ground shakes");
    timeline.fault("and again");
    timeline.event("running", "the lamp swings", timeline.faultAtMs + 1_234);
    timeline.promise("the roof stays", true, "1 roof");
    timeline.promise("the lamp stays", false, "0 of 1");
    timeline.end(new Error("the floor is gone\nreally"));
    expect(lines[1]).toBe("    before  note       all is well");
    expect(lines[2]).toBe("     0.0 s  fault      the ground shakes");
    expect(lines[4]).toBe("     1.2 s  running    the lamp swings");
    expect(lines.slice(5)).toEqual([
      "  verdict of quake",
      "    held    the roof stays (1 roof)",
      "    BROKEN  the lamp stays (0 of 1)",
      "    BROKEN  the drill is played to its end (the floor is gone)",
    ]);
    expect(timeline.broken).toEqual([
      "the lamp stays: 0 of 1",
      "the drill is played to its end: the floor is gone",
    ]);
  });
});
