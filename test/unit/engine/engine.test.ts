import type { Change } from "@fleet/registry";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EngineBench } from "./engine-bench.ts";
import type { FakeRegistry } from "./fake-registry.ts";
import { type ManualClock, quiet } from "./manual-clock.ts";

let bench: EngineBench;
let registry: FakeRegistry;
let clock: ManualClock;

beforeEach(async () => {
  bench = await EngineBench.start();
  ({ registry, clock } = bench);
});

afterEach(() => bench.end());

describe("engine", () => {
  test("assigns a unit once its body is there, and settles the machine", async () => {
    registry.set(bench.machine("m1"));
    registry.set(bench.unit("a.service"));
    await quiet();
    expect(bench.words()).toEqual(["settle m1"]);
    registry.set(bench.body("h1"));
    await quiet();
    // Then with the word that a machine which has the unit is to keep it taken back.
    expect(bench.words()).toEqual(["settle m1", "assign a.service m1", "settle m1"]);
  });

  test("commits placements by themselves, and confirms registrations when they are in the store", async () => {
    const bench = await EngineBench.start();
    bench.registry.set(bench.body("h1"), bench.unit("a.service"), bench.unit("b.service"));
    await quiet();
    bench.registry.set(bench.machine("m1"));
    await quiet();
    expect(bench.registry.commits.map((writes) => writes.map(({ op }) => op))).toEqual([
      ["assign", "assign"],
      ["settle"],
    ]);
    await bench.end();
  });

  test("reads requirements for the unit's own name", async () => {
    registry.set(bench.machine("m1", { slot: "1" }), bench.machine("m2", { slot: "2" }));
    registry.set(
      bench.body("h1", { MachineMetadata: "slot=%i" }),
      bench.unit("w@2.service"),
      bench.unit("w@1.service"),
    );
    await quiet();
    expect(
      bench
        .words()
        .filter((line) => line.startsWith("assign"))
        .sort(),
    ).toEqual(["assign w@1.service m1", "assign w@2.service m2"]);
  });

  test("lays metadata set through the API over the configured one, tombstones included", async () => {
    registry.set(bench.machine("m1", { role: "web" }), bench.machine("m2"));
    registry.set({
      kind: "metadata",
      machineId: "m1",
      key: "role",
      entry: registry.entry({ removed: true as const }),
    });
    registry.set({
      kind: "metadata",
      machineId: "m2",
      key: "role",
      entry: registry.entry({ value: "web" }),
    });
    registry.set(bench.body("h1", { MachineMetadata: "role=web" }), bench.unit("a.service"));
    await quiet();
    expect(bench.words()).toContain("assign a.service m2");
  });

  test("plans nothing more before its own writes have come back", async () => {
    registry.set(bench.machine("m1"), bench.machine("m2"));
    await quiet();
    registry.commits.length = 0;
    registry.holdBack = true;
    registry.set(bench.body("h1"), bench.unit("a.service"));
    registry.deliver();
    await quiet();
    expect(bench.words()).toEqual(["assign a.service m1"]);
    registry.set(bench.unit("b.service"));
    await quiet();
    expect(bench.words()).toEqual(["assign a.service m1"]);
    registry.holdBack = false;
    registry.deliver();
    await quiet();
    expect(bench.words()).toEqual(["assign a.service m1", "assign b.service m2"]);
  });

  test("ends its term, and plans nothing more in it, when its own writes do not come back", async () => {
    registry.set(bench.machine("m1"), bench.machine("m2"));
    await quiet();
    registry.commits.length = 0;
    registry.holdBack = true;
    registry.set(bench.body("h1"), bench.unit("a.service"));
    registry.deliver();
    await quiet();
    registry.set(bench.unit("b.service"));
    for (let seconds = 0; seconds < 30; seconds += 1) {
      clock.advance(1_000);
      await quiet();
    }
    expect(registry.resigned).toEqual([1]);
    expect(bench.words()).toEqual(["assign a.service m1"]);
    registry.holdBack = false;
    registry.deliver();
    registry.becomeVacant();
    await quiet();
    expect(bench.words()).toEqual(["assign a.service m1", "assign b.service m2"]);
  });

  test("ends its term when a commit's outcome is unknown, and decides anew in the next", async () => {
    const pause = async (): Promise<void> => {
      clock.advance(1_000);
      await quiet();
      registry.becomeVacant();
      await quiet();
    };
    registry.failures.push("lost_reply");
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await quiet();
    expect(bench.engine.status().term).toBeUndefined();
    await pause();
    expect(bench.engine.status().term).toBe(2);
    registry.failures.push("unavailable");
    registry.set(bench.unit("b.service"));
    await quiet();
    await pause();
    expect(bench.engine.status().term).toBe(3);
    expect(bench.words()).toEqual(["assign a.service m1", "settle m1", "assign b.service m1"]);
  });

  test.each(["fenced", "lost"] as const)("drops its model and campaigns again when %s", async (how) => {
    registry.set(bench.machine("m1"));
    await quiet();
    if (how === "lost") registry.loseTerm();
    else registry.failures.push("fenced");
    registry.set(bench.body("h1"), bench.unit("a.service"));
    await quiet();
    expect(bench.words()).toEqual(["settle m1"]);
    expect(bench.engine.status().term).toBeUndefined();
    registry.becomeVacant();
    await quiet();
    expect(bench.engine.status().term).toBe(2);
    expect(bench.words()).toEqual(["settle m1", "assign a.service m1"]);
  });

  describe("that has itself missed etcd until just now", () => {
    /** Two machines with a unit each, of which m2 is away when a new term begins at 0 s. */
    async function backAfterAnOutage(): Promise<void> {
      registry.set(
        bench.machine("m1"),
        bench.machine("m2"),
        bench.body("h1"),
        bench.unit("a.service"),
        bench.unit("b.service"),
      );
      await quiet();
      expect(bench.words()).toContain("assign b.service m2");
      registry.loseTerm();
      await quiet();
      registry.set(gone("m2"));
      registry.inTouchSinceMs = clock.monotonic();
      registry.commits.length = 0;
      registry.becomeVacant();
      await quiet();
    }

    function gone(machineId: string): Change {
      return { kind: "machine", machineId, entry: { status: "absent", modRevision: registry.revision } };
    }

    test("leaves units with a machine that comes back in time, and places others meanwhile", async () => {
      await backAfterAnOutage();
      clock.advance(20_000);
      registry.set(bench.unit("c.service"));
      await quiet();
      expect(bench.words()).toEqual(["assign c.service m1"]);
      registry.set(bench.machine("m2"));
      await quiet();
      clock.advance(20_000);
      await quiet();
      expect(bench.words()).toEqual(["assign c.service m1", "settle m2"]);
    });

    test("gives up a machine that has not come back within its time", async () => {
      await backAfterAnOutage();
      clock.advance(29_999);
      await quiet();
      expect(bench.words()).toEqual([]);
      clock.advance(1);
      await quiet();
      expect(bench.words()).toEqual(["withdraw b.service m2", "assign b.service m1"]);
    });

    test("expects back whichever machine goes meanwhile, and none later", async () => {
      await backAfterAnOutage();
      registry.set(bench.machine("m2"));
      await quiet();
      registry.set(gone("m2"));
      await quiet();
      expect(bench.words()).toEqual(["settle m2"]);
      clock.advance(30_000);
      await quiet();
      expect(bench.words()).toEqual(["settle m2", "withdraw b.service m2", "assign b.service m1"]);
      registry.set(bench.machine("m3"), gone("m1"));
      await quiet();
      expect(bench.words()).toContain("assign a.service m3");
    });
  });

  test("steps down when stopped", async () => {
    await bench.end();
    expect(registry.resigned).toEqual([1]);
  });

  test("collects a body once neither a unit nor an assignment refers to it", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await quiet();
    registry.commits.length = 0;
    registry.set({ kind: "unit", name: "a.service", entry: { status: "absent", modRevision: 99 } });
    await quiet();
    expect(bench.words()).toEqual(["withdraw a.service m1", "collect h1"]);
  });

  test("collects nothing while a record that may refer to it cannot be read", async () => {
    registry.set({
      kind: "unit",
      name: "b.service",
      entry: { status: "corrupt", problem: "not JSON", modRevision: 11 },
    });
    registry.set(bench.body("h1"));
    await quiet();
    expect(bench.words()).toEqual([]);
    registry.set(bench.unit("b.service", "h2"));
    await quiet();
    expect(bench.words()).toEqual(["collect h1"]);
  });

  test("says why a unit waits, once per reason", async () => {
    registry.set(bench.body("h1", { MachineMetadata: "role=db" }), bench.unit("a.service"));
    await quiet();
    registry.set(bench.machine("m1"));
    await quiet();
    registry.set(bench.machine("m2"));
    await quiet();
    const reasons = bench.log
      .filter(({ event }) => event === "unit_pending")
      .map(({ fields }) => fields?.reasons);
    expect(reasons).toEqual([["no_machine"], ["MachineMetadata"]]);
    expect(bench.engine.pending()).toMatchObject([
      { unit: "a.service", causes: [{ kind: "unable", machines: 2, machineId: "m1" }] },
    ]);
  });

  test("the audit of a settled cluster finds nothing, and writes nothing", async () => {
    registry.set(
      bench.machine("m1"),
      bench.machine("m2"),
      bench.body("h1"),
      bench.unit("a.service"),
      bench.unit("b.service"),
    );
    await quiet();
    registry.commits.length = 0;
    clock.advance(60_000);
    await quiet();
    expect(bench.words()).toEqual([]);
    expect(bench.log.filter(({ event }) => event === "audit_found_work")).toEqual([]);
  });

  test("a record that cannot be read is reported, and nothing follows from it", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await quiet();
    registry.commits.length = 0;
    registry.set({
      kind: "unit",
      name: "a.service",
      entry: { status: "corrupt", problem: "not JSON", modRevision: 50 },
    });
    await quiet();
    expect(bench.words()).toEqual([]);
    expect(bench.log.at(-1)).toMatchObject({ event: "record_unreadable", fields: { unit: "a.service" } });
  });
});
