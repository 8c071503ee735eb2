import type { UnitOption } from "@fleet/core";
import { Engine } from "@fleet/engine";
import type { Change, EngineWrite } from "@fleet/registry";
import { type LogFields, type Logger, silentLogger } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeRegistry } from "./fake-registry.ts";
import { ManualClock, quiet } from "./manual-clock.ts";

let registry: FakeRegistry;
let clock: ManualClock;
let engine: Engine;
let stop: AbortController;
let running: Promise<void>;
let log: { event: string; fields: LogFields | undefined }[];

beforeEach(async () => {
  registry = new FakeRegistry();
  clock = new ManualClock();
  log = [];
  const note = (event: string, fields?: LogFields): void => void log.push({ event, fields });
  const logger: Logger = { ...silentLogger, info: note, warn: note, error: note, child: () => logger };
  engine = new Engine({
    registry,
    clock,
    random: () => 0.5,
    logger,
    machineId: "m0",
    leaderTtlMs: 5_000,
    agentTtlMs: 30_000,
    auditIntervalMs: 60_000,
  });
  stop = new AbortController();
  running = engine.run(stop.signal);
  await quiet();
});

afterEach(async () => {
  stop.abort();
  await running;
});

function machine(machineId: string, metadata: Record<string, string> = {}): Change {
  const value = {
    id: machineId,
    token: "t",
    publicIp: "10.0.0.1",
    metadata,
    leaving: false,
    formats: [1],
    version: "2",
  };
  return { kind: "machine", machineId, entry: registry.entry(value) };
}

function unit(name: string, hash = "h1", target: "inactive" | "launched" = "launched"): Change {
  return { kind: "unit", name, entry: registry.entry({ hash, target, generation: registry.revision }) };
}

function body(hash: string, xFleet: Record<string, string> = {}): Change {
  const options: UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
  for (const [name, value] of Object.entries(xFleet)) options.push({ section: "X-Fleet", name, value });
  return { kind: "body", hash, entry: registry.entry(options) };
}

function words(): string[] {
  return registry.commits.flat().map(word);
}

function word(write: EngineWrite): string {
  switch (write.op) {
    case "assign":
    case "assign-exclusive":
    case "withdraw":
      return `${write.op} ${write.unit} ${write.machineId}`;
    case "release-exclusive":
    case "reschedule":
    case "forget-reschedule":
      return `${write.op} ${write.unit}`;
    case "settle":
      return `settle ${write.machineId}`;
    case "collect-body":
      return `collect ${write.hash}`;
    case "advance-restart":
      return `restart ${write.record.state} ${write.record.steps.map(({ unit, state }) => `${unit} ${state}`)}`;
    case "hold-losses":
      return `hold ${write.record?.machines.join(",") ?? "nothing"}`;
    case "forget-confirmed-losses":
      return "forget confirmed losses";
    case "forget-restart":
      return `forget ${write.id}`;
  }
}

describe("engine", () => {
  test("assigns a unit once its body is there, and settles the machine", async () => {
    registry.set(machine("m1"));
    registry.set(unit("a.service"));
    await quiet();
    expect(words()).toEqual(["settle m1"]);
    registry.set(body("h1"));
    await quiet();
    expect(words()).toEqual(["settle m1", "assign a.service m1"]);
  });

  test("reads requirements for the unit's own name", async () => {
    registry.set(machine("m1", { slot: "1" }), machine("m2", { slot: "2" }));
    registry.set(body("h1", { MachineMetadata: "slot=%i" }), unit("w@2.service"), unit("w@1.service"));
    await quiet();
    expect(
      words()
        .filter((line) => line.startsWith("assign"))
        .sort(),
    ).toEqual(["assign w@1.service m1", "assign w@2.service m2"]);
  });

  test("lays metadata set through the API over the configured one, tombstones included", async () => {
    registry.set(machine("m1", { role: "web" }), machine("m2"));
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
    registry.set(body("h1", { MachineMetadata: "role=web" }), unit("a.service"));
    await quiet();
    expect(words()).toContain("assign a.service m2");
  });

  test("plans nothing more before its own writes have come back", async () => {
    registry.set(machine("m1"), machine("m2"));
    await quiet();
    registry.commits.length = 0;
    registry.holdBack = true;
    registry.set(body("h1"), unit("a.service"));
    registry.deliver();
    await quiet();
    expect(words()).toEqual(["assign a.service m1"]);
    registry.set(unit("b.service"));
    await quiet();
    expect(words()).toEqual(["assign a.service m1"]);
    registry.holdBack = false;
    registry.deliver();
    await quiet();
    expect(words()).toEqual(["assign a.service m1", "assign b.service m2"]);
  });

  test("ends its term, and plans nothing more in it, when its own writes do not come back", async () => {
    registry.set(machine("m1"), machine("m2"));
    await quiet();
    registry.commits.length = 0;
    registry.holdBack = true;
    registry.set(body("h1"), unit("a.service"));
    registry.deliver();
    await quiet();
    registry.set(unit("b.service"));
    for (let seconds = 0; seconds < 30; seconds += 1) {
      clock.advance(1_000);
      await quiet();
    }
    expect(registry.resigned).toEqual([1]);
    expect(words()).toEqual(["assign a.service m1"]);
    registry.holdBack = false;
    registry.deliver();
    registry.becomeVacant();
    await quiet();
    expect(words()).toEqual(["assign a.service m1", "assign b.service m2"]);
  });

  test("ends its term when a commit's outcome is unknown, and decides anew in the next", async () => {
    const pause = async (): Promise<void> => {
      clock.advance(1_000);
      await quiet();
      registry.becomeVacant();
      await quiet();
    };
    registry.failures.push("lost_reply");
    registry.set(machine("m1"), body("h1"), unit("a.service"));
    await quiet();
    expect(engine.status().term).toBeUndefined();
    await pause();
    expect(engine.status().term).toBe(2);
    registry.failures.push("unavailable");
    registry.set(unit("b.service"));
    await quiet();
    await pause();
    expect(engine.status().term).toBe(3);
    expect(words()).toEqual(["assign a.service m1", "settle m1", "assign b.service m1"]);
  });

  test.each(["fenced", "lost"] as const)("drops its model and campaigns again when %s", async (how) => {
    registry.set(machine("m1"));
    await quiet();
    if (how === "lost") registry.loseTerm();
    else registry.failures.push("fenced");
    registry.set(body("h1"), unit("a.service"));
    await quiet();
    expect(words()).toEqual(["settle m1"]);
    expect(engine.status().term).toBeUndefined();
    registry.becomeVacant();
    await quiet();
    expect(engine.status().term).toBe(2);
    expect(words()).toEqual(["settle m1", "assign a.service m1"]);
  });

  describe("that has itself missed etcd until just now", () => {
    /** Two machines with a unit each, of which m2 is away when a new term begins at 0 s. */
    async function backAfterAnOutage(): Promise<void> {
      registry.set(machine("m1"), machine("m2"), body("h1"), unit("a.service"), unit("b.service"));
      await quiet();
      expect(words()).toContain("assign b.service m2");
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
      registry.set(unit("c.service"));
      await quiet();
      expect(words()).toEqual(["assign c.service m1"]);
      registry.set(machine("m2"));
      await quiet();
      clock.advance(20_000);
      await quiet();
      expect(words()).toEqual(["assign c.service m1", "settle m2"]);
    });

    test("gives up a machine that has not come back within its time", async () => {
      await backAfterAnOutage();
      clock.advance(29_999);
      await quiet();
      expect(words()).toEqual([]);
      clock.advance(1);
      await quiet();
      expect(words()).toEqual(["withdraw b.service m2", "assign b.service m1"]);
    });

    test("expects back whichever machine goes meanwhile, and none later", async () => {
      await backAfterAnOutage();
      registry.set(machine("m2"));
      await quiet();
      registry.set(gone("m2"));
      await quiet();
      expect(words()).toEqual(["settle m2"]);
      clock.advance(30_000);
      await quiet();
      expect(words()).toEqual(["settle m2", "withdraw b.service m2", "assign b.service m1"]);
      registry.set(machine("m3"), gone("m1"));
      await quiet();
      expect(words()).toContain("assign a.service m3");
    });
  });

  test("steps down when stopped", async () => {
    stop.abort();
    await running;
    expect(registry.resigned).toEqual([1]);
  });

  test("collects a body once neither a unit nor an assignment refers to it", async () => {
    registry.set(machine("m1"), body("h1"), unit("a.service"));
    await quiet();
    registry.commits.length = 0;
    registry.set({ kind: "unit", name: "a.service", entry: { status: "absent", modRevision: 99 } });
    await quiet();
    expect(words()).toEqual(["withdraw a.service m1", "collect h1"]);
  });

  test("collects nothing while a record that may refer to it cannot be read", async () => {
    registry.set({
      kind: "unit",
      name: "b.service",
      entry: { status: "corrupt", problem: "not JSON", modRevision: 11 },
    });
    registry.set(body("h1"));
    await quiet();
    expect(words()).toEqual([]);
    registry.set(unit("b.service", "h2"));
    await quiet();
    expect(words()).toEqual(["collect h1"]);
  });

  test("says why a unit waits, once per reason", async () => {
    registry.set(body("h1", { MachineMetadata: "role=db" }), unit("a.service"));
    await quiet();
    registry.set(machine("m1"));
    await quiet();
    registry.set(machine("m2"));
    await quiet();
    const reasons = log.filter(({ event }) => event === "unit_pending").map(({ fields }) => fields?.reasons);
    expect(reasons).toEqual([["no_machine"], ["MachineMetadata"]]);
    expect(engine.pending()).toMatchObject([
      { unit: "a.service", causes: [{ kind: "unable", machines: 2, machineId: "m1" }] },
    ]);
  });

  test("the audit of a settled cluster finds nothing, and writes nothing", async () => {
    registry.set(machine("m1"), machine("m2"), body("h1"), unit("a.service"), unit("b.service"));
    await quiet();
    registry.commits.length = 0;
    clock.advance(60_000);
    await quiet();
    expect(words()).toEqual([]);
    expect(log.filter(({ event }) => event === "audit_found_work")).toEqual([]);
  });

  test("a record that cannot be read is reported, and nothing follows from it", async () => {
    registry.set(machine("m1"), body("h1"), unit("a.service"));
    await quiet();
    registry.commits.length = 0;
    registry.set({
      kind: "unit",
      name: "a.service",
      entry: { status: "corrupt", problem: "not JSON", modRevision: 50 },
    });
    await quiet();
    expect(words()).toEqual([]);
    expect(log.at(-1)).toMatchObject({ event: "record_unreadable", fields: { unit: "a.service" } });
  });
});

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
    registry.set(machine("m1"), machine("m2"));
    registry.set(body("h1"), unit("a.service"), unit("b.service"));
    await quiet();
    registry.set(row("m1", "a.service", 0), row("m2", "b.service", 0));
    await quiet();
    registry.commits.length = 0;
  });

  test("carry each step on when the row of the one before says so", async () => {
    const number = registry.revision;
    registry.set(restart("r", ["a.service", "b.service"]));
    await quiet();
    expect(words()).toEqual(["restart running a.service restarting", "assign a.service m1"]);
    expect(ordered("a.service")).toBe(number);
    registry.set(row("m1", "a.service", number, "activating"));
    await quiet();
    expect(words()).toHaveLength(2);
    registry.set(row("m1", "a.service", number));
    await quiet();
    expect(words().slice(2)).toEqual([
      "restart running a.service done,b.service restarting",
      "assign a.service m1",
      "assign b.service m2",
    ]);
    expect([ordered("a.service"), ordered("b.service")]).toEqual([undefined, number]);
    registry.set(row("m2", "b.service", number));
    await quiet();
    expect(words().slice(5)).toEqual(["restart done a.service done,b.service done", "assign b.service m2"]);
    expect(ordered("b.service")).toBeUndefined();
  });

  test("are taken up by the next leader where they are", async () => {
    const number = registry.revision;
    registry.set(restart("r", ["a.service", "b.service"]));
    await quiet();
    registry.loseTerm();
    await quiet();
    registry.becomeVacant();
    await quiet();
    expect(words().filter((each) => each.startsWith("restart"))).toHaveLength(1);
    registry.set(row("m1", "a.service", number));
    await quiet();
    expect(words()).toContain("restart running a.service done,b.service restarting");
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
    expect(words()).toHaveLength(3);
  });

  test("a record that cannot be read changes nothing", async () => {
    const number = registry.revision;
    registry.set(restart("r", ["a.service", "b.service"]));
    await quiet();
    const entry = { status: "corrupt", problem: "not JSON", modRevision: registry.revision + 1 } as const;
    registry.set({ kind: "restart", id: "r", entry });
    await quiet();
    expect(ordered("a.service")).toBe(number);
    expect(log.map(({ event }) => event)).toContain("record_unreadable");
  });

  test("that have ended are kept, fifty of them", async () => {
    for (let index = 0; index < 52; index += 1) registry.set(restart(`r${index}`, ["a.service"], "done"));
    await quiet();
    expect(words().sort()).toEqual(["forget r0", "forget r1"]);
  });
});
