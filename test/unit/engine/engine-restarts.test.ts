import type { Change } from "@fleet/registry";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EngineBench } from "./engine-bench.ts";
import type { FakeRegistry } from "./fake-registry.ts";
import { quiet } from "./manual-clock.ts";

let bench: EngineBench;
let registry: FakeRegistry;

beforeEach(async () => {
  bench = await EngineBench.start();
  registry = bench.registry;
});

afterEach(() => bench.end());

describe("the engine and restarts", () => {
  const restart = (id: string, units: readonly string[], state: "running" | "done" = "running"): Change => ({
    kind: "restart",
    id,
    entry: registry.entry({ units, parallel: 1, state, steps: [] }),
  });
  const row = (machineId: string, name: string, number: number, active = "active"): Change => ({
    kind: "state",
    machineId,
    unit: name,
    entry: registry.entry({
      hash: "h1",
      load: "loaded",
      active,
      sub: "running",
      launched: true,
      ...(number === 0 ? {} : { restart: { number } }),
    }),
  });
  /** The restart that the unit's assignment carries now. */
  const ordered = (name: string): number | undefined => {
    const last = registry.commits.flat().findLast((write) => write.op === "assign" && write.unit === name);
    return last?.op === "assign" ? last.record.restart : undefined;
  };

  beforeEach(async () => {
    registry.set(bench.machine("m1"), bench.machine("m2"));
    registry.set(bench.body("h1"), bench.unit("a.service"), bench.unit("b.service"));
    await quiet();
    registry.set(row("m1", "a.service", 0), row("m2", "b.service", 0));
    await quiet();
    registry.commits.length = 0;
  });

  test("carry each step on when the row of the one before says so", async () => {
    const number = registry.revision;
    registry.set(restart("r", ["a.service", "b.service"]));
    await quiet();
    expect(bench.words()).toEqual(["restart running a.service restarting", "assign a.service m1"]);
    expect(ordered("a.service")).toBe(number);
    registry.set(row("m1", "a.service", number, "activating"));
    await quiet();
    expect(bench.words()).toHaveLength(2);
    registry.set(row("m1", "a.service", number));
    await quiet();
    expect(bench.words().slice(2)).toEqual([
      "restart running a.service done,b.service restarting",
      "assign a.service m1",
      "assign b.service m2",
    ]);
    expect([ordered("a.service"), ordered("b.service")]).toEqual([undefined, number]);
    registry.set(row("m2", "b.service", number));
    await quiet();
    expect(bench.words().slice(5)).toEqual([
      "restart done a.service done,b.service done",
      "assign b.service m2",
    ]);
    expect(ordered("b.service")).toBeUndefined();
  });

  test("name the machine where a unit came up when the one that was restarting it is lost", async () => {
    const number = registry.revision;
    const steps = () => {
      const last = registry.commits.flat().findLast((write) => write.op === "advance-restart");
      return last?.op === "advance-restart" ? last.record.steps : undefined;
    };
    registry.set(restart("r", ["a.service"]));
    await quiet();
    registry.set(row("m1", "a.service", number, "activating"));
    await quiet();
    expect(steps()).toEqual([{ unit: "a.service", machineId: "m1", state: "restarting" }]);
    // What a lease takes along when it ends.
    const gone = { status: "absent", modRevision: registry.revision + 1 } as const;
    registry.set(
      { kind: "machine", machineId: "m1", entry: gone },
      { kind: "state", machineId: "m1", unit: "a.service", entry: gone },
    );
    await quiet();
    expect(ordered("a.service")).toBe(number);
    registry.set(row("m2", "a.service", number));
    await quiet();
    expect(steps()).toEqual([{ unit: "a.service", machineId: "m2", state: "done" }]);
  });

  test("are taken up by the next leader where they are", async () => {
    const number = registry.revision;
    registry.set(restart("r", ["a.service", "b.service"]));
    await quiet();
    registry.loseTerm();
    await quiet();
    registry.becomeVacant();
    await quiet();
    expect(bench.words().filter((each) => each.startsWith("restart"))).toHaveLength(1);
    registry.set(row("m1", "a.service", number));
    await quiet();
    expect(bench.words()).toContain("restart running a.service done,b.service restarting");
  });

  test("that are cancelled order nothing any more", async () => {
    registry.set(restart("r", ["a.service", "b.service"]));
    await quiet();
    registry.set({
      kind: "restart",
      id: "r",
      entry: { status: "absent", modRevision: registry.revision + 1 },
    });
    await quiet();
    expect(ordered("a.service")).toBeUndefined();
    expect(bench.words()).toHaveLength(3);
  });

  test("a record that cannot be read changes nothing", async () => {
    const number = registry.revision;
    registry.set(restart("r", ["a.service", "b.service"]));
    await quiet();
    const entry = { status: "corrupt", problem: "not JSON", modRevision: registry.revision + 1 } as const;
    registry.set({ kind: "restart", id: "r", entry });
    await quiet();
    expect(ordered("a.service")).toBe(number);
    expect(bench.log.map(({ event }) => event)).toContain("record_unreadable");
  });

  test("that have ended are kept, fifty of them", async () => {
    for (let index = 0; index < 52; index += 1) registry.set(restart(`r${index}`, ["a.service"], "done"));
    await quiet();
    expect(bench.words().sort()).toEqual(["forget r0", "forget r1"]);
  });
});
