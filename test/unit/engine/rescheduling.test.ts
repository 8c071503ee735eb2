import { Engine } from "@fleet/engine";
import type { Change } from "@fleet/registry";
import { type LogFields, type Logger, silentLogger } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeRegistry } from "./fake-registry.ts";
import { ManualClock, quiet } from "./manual-clock.ts";

const auditIntervalMs = 24 * 3_600_000;

let registry: FakeRegistry;
let clock: ManualClock;
let stop: AbortController;
let running: Promise<void>;
let log: string[];

beforeEach(() => {
  registry = new FakeRegistry();
  clock = new ManualClock();
  log = [];
  lead();
});

afterEach(async () => {
  stop.abort();
  await running;
});

function lead(): void {
  const note = (event: string, fields?: LogFields): void => {
    if (event === "unit_not_rescheduled") log.push(`${event} ${fields?.unit} ${fields?.reason}`);
    if (event === "audit_found_work") log.push(event);
    if (event === "unit_rescheduled") log.push(`${event} ${fields?.unit} ${fields?.move}/${fields?.of}`);
  };
  const logger: Logger = { ...silentLogger, info: note, warn: note, error: note, child: () => logger };
  const engine = new Engine({
    registry,
    clock,
    random: () => 0.5,
    logger,
    machineId: "m0",
    leaderTtlMs: 5_000,
    agentTtlMs: 30_000,
    auditIntervalMs,
  });
  stop = new AbortController();
  running = engine.run(stop.signal);
}

function machine(machineId: string): Change {
  const value = { id: machineId, token: "t", publicIp: "", metadata: {}, leaving: false, version: "2" };
  return { kind: "machine", machineId, entry: registry.entry({ ...value, formats: [1] }) };
}

/** The unit, launched as a new intent. */
function unit(xFleet: Record<string, string>): void {
  const options = Object.entries(xFleet).map(([name, value]) => ({ section: "X-Fleet", name, value }));
  registry.set({ kind: "body", hash: "h1", entry: registry.entry(options) }, launched());
}

function launch(): void {
  registry.set(launched());
}

function launched(): Change {
  const record = { hash: "h1", target: "launched" as const, generation: registry.revision };
  return { kind: "unit", name: "a.service", entry: registry.entry(record) };
}

const assigned = (): string =>
  registry.commits
    .flat()
    .flatMap((write) => (write.op === "assign" ? [write.machineId] : []))
    .at(-1) ?? "nowhere";

/** The machine reports the unit; without a state, that it is gone. */
function report(machineId: string, active?: string, sub = active ?? ""): void {
  const entry =
    active === undefined
      ? ({ status: "absent", modRevision: registry.revision } as const)
      : registry.entry({ hash: "h1", load: "loaded", active, sub, launched: true });
  registry.set({ kind: "state", machineId, unit: "a.service", entry });
}

async function pass(ms: number): Promise<void> {
  await quiet();
  clock.advance(ms);
  await quiet();
}

/** The unit fails where it is assigned, and is unloaded there once it is withdrawn. Where it goes. */
async function failAndMove(delayMs: number): Promise<string> {
  const from = assigned();
  report(from, "failed");
  await pass(delayMs - 1);
  expect(assigned()).toBe(from);
  await pass(1);
  report(from);
  await quiet();
  return assigned();
}

describe("RescheduleOnFailure", () => {
  test("moves a failed unit to the machines it has not failed on, later each time, until the limit", async () => {
    registry.set(machine("m1"), machine("m2"), machine("m3"), machine("m4"));
    unit({ RescheduleOnFailure: "true", RescheduleLimitBurst: "3", RescheduleLimitIntervalSec: "1h" });
    await quiet();
    expect(assigned()).toBe("m1");
    expect(await failAndMove(1_000)).toBe("m2");
    expect(await failAndMove(10_000)).toBe("m3");
    expect(await failAndMove(20_000)).toBe("m4");
    report("m4", "failed");
    await pass(60_000);
    await pass(60_000);
    expect(assigned()).toBe("m4");
    expect(log).toEqual([
      "unit_rescheduled a.service 1/3",
      "unit_rescheduled a.service 2/3",
      "unit_rescheduled a.service 3/3",
      "unit_not_rescheduled a.service limit",
    ]);
    // An hour after the first move there is room for another one.
    await pass(3_600_000);
    report("m4");
    await quiet();
    expect(assigned()).not.toBe("m4");
  });

  test("with two machines it goes to and fro, never staying where it just failed", async () => {
    registry.set(machine("m1"), machine("m2"));
    unit({ RescheduleOnFailure: "yes" });
    await quiet();
    expect(await failAndMove(1_000)).toBe("m2");
    expect(await failAndMove(10_000)).toBe("m1");
  });

  test("has nowhere to go on the only machine, and goes when there is another one", async () => {
    registry.set(machine("m1"));
    unit({ RescheduleOnFailure: "true" });
    await quiet();
    report("m1", "failed");
    await pass(1_000);
    await pass(60_000);
    expect(assigned()).toBe("m1");
    expect(log).toEqual(["unit_not_rescheduled a.service no_other_machine"]);
    registry.set(machine("m2"));
    await pass(5_000);
    report("m1");
    await quiet();
    expect(assigned()).toBe("m2");
  });

  const stays: readonly (readonly [string, Record<string, string>, active: string, sub: string])[] = [
    ["does not ask for it", {}, "failed", "failed"],
    ["is started again by systemd itself", { RescheduleOnFailure: "true" }, "activating", "auto-restart"],
    ["has finished", { RescheduleOnFailure: "true" }, "inactive", "dead"],
    ["says no", { RescheduleOnFailure: "false" }, "failed", "failed"],
  ];

  test.each(stays)("leaves a unit where it is that %s", async (_, xFleet, active, sub) => {
    registry.set(machine("m1"), machine("m2"));
    unit(xFleet);
    await quiet();
    report("m1", active, sub);
    await pass(60_000);
    await pass(600_000);
    expect(assigned()).toBe("m1");
    expect(log).toEqual([]);
  });

  test("decided at the time of an audit, is no finding of it", async () => {
    registry.set(machine("m1"), machine("m2"));
    unit({ RescheduleOnFailure: "true" });
    await pass(auditIntervalMs - 1_000);
    report("m1", "failed");
    await pass(1_000);
    report("m1");
    await quiet();
    expect(assigned()).toBe("m2");
    expect(log).toEqual(["unit_rescheduled a.service 1/3"]);
  });

  test("a new leader goes on counting where the last one was", async () => {
    registry.set(machine("m1"), machine("m2"), machine("m3"));
    unit({ RescheduleOnFailure: "true", RescheduleLimitBurst: "1" });
    await quiet();
    expect(await failAndMove(1_000)).toBe("m2");
    stop.abort();
    await running;
    lead();
    await quiet();
    registry.becomeVacant();
    await quiet();
    report("m2", "failed");
    await pass(1_000);
    await pass(60_000);
    expect(assigned()).toBe("m2");
    expect(log.at(-1)).toBe("unit_not_rescheduled a.service limit");
  });

  test("a new intent begins anew, and is given time where the unit is", async () => {
    registry.set(machine("m1"), machine("m2"));
    unit({ RescheduleOnFailure: "true", RescheduleLimitBurst: "1" });
    await quiet();
    expect(await failAndMove(1_000)).toBe("m2");
    report("m2", "failed");
    await pass(60_000);
    launch();
    await pass(999);
    expect(assigned()).toBe("m2");
    await pass(1);
    report("m2");
    await quiet();
    expect(assigned()).toBe("m1");
  });

  test("what was noted is forgotten with the unit, and a note that cannot be read moves nothing", async () => {
    registry.set(machine("m1"), machine("m2"));
    unit({ RescheduleOnFailure: "true" });
    await quiet();
    registry.set({
      kind: "reschedule",
      unit: "a.service",
      entry: { status: "corrupt", problem: "not JSON", modRevision: registry.revision },
    });
    report("m1", "failed");
    await pass(1_000);
    await pass(60_000);
    expect(assigned()).toBe("m1");
    registry.set({
      kind: "reschedule",
      unit: "a.service",
      entry: { status: "absent", modRevision: registry.revision },
    });
    await pass(1_000);
    expect(log).toEqual(["unit_rescheduled a.service 1/3"]);
    registry.set({
      kind: "unit",
      name: "a.service",
      entry: { status: "absent", modRevision: registry.revision },
    });
    await quiet();
    expect(registry.commits.flat()).toContainEqual({ op: "forget-reschedule", unit: "a.service" });
  });
});
