import type { UnitOption } from "@fleet/core";
import { Engine } from "@fleet/engine";
import type { Change, EngineWrite } from "@fleet/registry";
import { type Logger, silentLogger } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PrometheusMetrics } from "../../../packages/fleetd/src/prometheus-metrics.ts";
import { parseExposition, sampleValue } from "../../contract/metrics/exposition-format.ts";
import { FakeRegistry } from "./fake-registry.ts";
import { ManualClock, quiet } from "./manual-clock.ts";

const ttlMs = 30_000;

let registry: FakeRegistry;
let clock: ManualClock;
let metrics: PrometheusMetrics;
let engine: Engine;
let events: string[];
let stop: AbortController;
let running: Promise<void>;

function start(massLossShare?: number): void {
  registry = new FakeRegistry();
  clock = new ManualClock();
  metrics = new PrometheusMetrics();
  events = [];
  const note = (event: string): void => void events.push(event);
  const logger: Logger = { ...silentLogger, info: note, warn: note, error: note, child: () => logger };
  engine = new Engine({
    registry,
    clock,
    random: () => 0.5,
    logger,
    metrics,
    machineId: "m0",
    leaderTtlMs: 5_000,
    agentTtlMs: ttlMs,
    ...(massLossShare === undefined ? {} : { massLossShare }),
  });
  stop = new AbortController();
  running = engine.run(stop.signal);
}

afterEach(async () => {
  stop.abort();
  await running;
});

function machine(machineId: string, leaving = false): Change {
  const value = {
    id: machineId,
    token: "t",
    publicIp: "10.0.0.1",
    metadata: {},
    leaving,
    formats: [1],
    version: "2",
  };
  return { kind: "machine", machineId, entry: registry.entry(value) };
}

function gone(machineId: string): Change {
  return { kind: "machine", machineId, entry: { status: "absent", modRevision: registry.revision } };
}

function unit(name: string): Change {
  const value = { hash: "h", target: "launched" as const, generation: registry.revision };
  return { kind: "unit", name, entry: registry.entry(value) };
}

function body(): Change {
  const options: UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
  return { kind: "body", hash: "h", entry: registry.entry(options) };
}

function confirm(...machines: readonly string[]): void {
  registry.set({ kind: "confirmed-losses", entry: registry.entry({ machines }) });
}

/** What was committed since the last call; machines are settled without a word. */
function words(): string[] {
  return registry.commits
    .splice(0)
    .flat()
    .flatMap((write) => word(write));
}

function word(write: EngineWrite): string[] {
  switch (write.op) {
    case "assign":
    case "withdraw":
      return [`${write.op} ${write.unit} ${write.machineId}`];
    case "hold-losses":
      return [`hold ${write.record?.machines.join(",") ?? "nothing"}`];
    case "forget-confirmed-losses":
      return [write.left.length === 0 ? "forget" : `forget all but ${write.left.join(",")}`];
    default:
      return [];
  }
}

const all = ["m1", "m2", "m3", "m4", "m5", "m6"];

/** Six machines with a unit each, a.service on m1, b.service on m2 and so on. */
async function sixMachines(share?: number): Promise<void> {
  start(share);
  await quiet();
  registry.set(...all.map((id) => machine(id)));
  await quiet();
  for (const letter of "abcdef") {
    // Nothing would refer to the body without the unit.
    registry.set(body(), unit(`${letter}.service`));
    await quiet();
  }
  expect(words()).toEqual([..."abcdef"].map((letter, index) => `assign ${letter}.service m${index + 1}`));
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await quiet();
}

async function metric(name: string): Promise<number | undefined> {
  return sampleValue(parseExposition(await metrics.text()), `fleet_engine_${name}`);
}

async function newLeader(): Promise<void> {
  registry.loseTerm();
  await quiet();
  registry.becomeVacant();
  await quiet();
}

describe("machines that vanish together", () => {
  beforeEach(() => sixMachines());

  test("are held when they are too many, and nothing is moved for them; others are scheduled", async () => {
    registry.set(...["m3", "m4", "m5", "m6"].map(gone));
    await quiet();
    expect(words()).toEqual(["hold m3,m4,m5,m6"]);
    await pass(10 * ttlMs);
    registry.set(unit("new.service"));
    await quiet();
    expect(words()).toEqual(["assign new.service m1"]);
    expect(engine.status().losses?.held).toMatchObject({ vanished: 4, of: 6, atMs: 0 });
    expect(await metric("machines_held")).toBe(4);
    expect(await metric("mass_losses_total")).toBe(1);
    expect(events.filter((event) => event === "mass_loss_held")).toHaveLength(1);
  });

  test("that come back keep what they have; the rest stays held", async () => {
    registry.set(...["m3", "m4", "m5", "m6"].map(gone));
    await quiet();
    words();
    registry.set(machine("m3"), machine("m5"));
    await quiet();
    expect(words()).toEqual(["hold m4,m6"]);
    registry.set(machine("m4"), machine("m6"));
    await quiet();
    expect(words()).toEqual(["hold nothing"]);
    expect(events).toContain("mass_loss_over");
  });

  test("are given up when that is confirmed, and are not asked for again", async () => {
    registry.set(...["m3", "m4", "m5", "m6"].map(gone));
    await quiet();
    words();
    confirm("m3", "m4", "m5");
    await quiet();
    const moved = ["c", "d", "e"].flatMap((letter, index) => [
      `withdraw ${letter}.service m${index + 3}`,
      `assign ${letter}.service m${1 + (index % 2)}`,
    ]);
    expect(words().sort()).toEqual(["hold m6", "forget", ...moved].sort());
    confirm("m6");
    await quiet();
    expect(words()).toEqual(["hold nothing", "withdraw f.service m6", "assign f.service m2", "forget"]);
    registry.set(gone("m2"));
    await quiet();
    expect(words()).toContain("withdraw b.service m2");
  });

  test("one by one are held from the first on when others are overdue", async () => {
    for (const id of ["m4", "m5", "m6"]) registry.overdue.add(id);
    registry.set(gone("m3"));
    await quiet();
    expect(words()).toEqual([]);
    registry.set(gone("m4"), gone("m5"));
    await quiet();
    expect(words()).toEqual([]);
    registry.set(gone("m6"));
    await quiet();
    expect(words()).toEqual(["hold m3,m4,m5,m6"]);
  });

  test("are lost as soon as the overdue ones have renewed", async () => {
    for (const id of ["m4", "m5", "m6"]) registry.overdue.add(id);
    registry.set(gone("m3"));
    await quiet();
    registry.overdue.clear();
    await pass(ttlMs / 8);
    expect(words()).toEqual(["withdraw c.service m3", "assign c.service m1"]);
  });

  test("and half of them do not stop anything", async () => {
    registry.set(...["m4", "m5", "m6"].map(gone));
    await quiet();
    expect(words()).toHaveLength(6);
  });

  test("in order are not lost", async () => {
    registry.set(...["m3", "m4", "m5", "m6"].map((id) => machine(id, true)));
    await quiet();
    expect(words()).toHaveLength(8);
    registry.set(...["m3", "m4", "m5", "m6"].map(gone));
    await quiet();
    expect(words()).toEqual([]);
    expect(await metric("machine_losses_total")).toBe(0);
  });

  test("longer after each other than a time to live are lost one by one", async () => {
    for (const id of ["m3", "m4", "m5", "m6"]) {
      registry.set(gone(id));
      await quiet();
      await pass(ttlMs + 1);
    }
    expect(words().filter((each) => each.startsWith("hold"))).toEqual([]);
  });

  test("stay held under a new leader, which had no part in deciding that", async () => {
    registry.set(...["m3", "m4", "m5", "m6"].map(gone));
    await quiet();
    words();
    await newLeader();
    await pass(10 * ttlMs);
    expect(words()).toEqual([]);
    expect(engine.status()).toMatchObject({ term: 2, losses: { held: { vanished: 4, of: 6 } } });
    confirm("m3", "m4", "m5", "m6");
    await quiet();
    expect(words().filter((each) => each.startsWith("withdraw"))).toHaveLength(4);
  });

  test("are held by the new leader also when the old one died before it wrote a word", async () => {
    registry.loseTerm();
    await quiet();
    registry.set(...["m3", "m4", "m5", "m6"].map(gone));
    registry.becomeVacant();
    await quiet();
    expect(words()).toEqual(["hold m3,m4,m5,m6"]);
  });

  test("that were confirmed are given up by a new leader too", async () => {
    registry.set(...["m3", "m4", "m5", "m6"].map(gone));
    await quiet();
    words();
    registry.loseTerm();
    await quiet();
    confirm("m3", "m4", "m5", "m6");
    registry.becomeVacant();
    await quiet();
    expect(words().filter((each) => each.startsWith("withdraw"))).toHaveLength(4);
    expect(engine.status().losses?.held).toBeUndefined();
  });
});

describe("a machine that was confirmed as lost and whose assignment cannot be read", () => {
  beforeEach(async () => {
    await sixMachines();
    registry.set(...["m3", "m4", "m5", "m6"].map(gone), {
      kind: "assignment",
      machineId: "m3",
      unit: "c.service",
      entry: { status: "corrupt", problem: "not JSON", modRevision: registry.revision },
    });
    await quiet();
    confirm("m3", "m4", "m5", "m6");
    await quiet();
    words();
  });

  test("is remembered as lost until that is gone", async () => {
    await pass(10 * ttlMs);
    expect(words()).toEqual([]);
    registry.set({
      kind: "assignment",
      machineId: "m3",
      unit: "c.service",
      entry: { status: "absent", modRevision: registry.revision },
    });
    await quiet();
    expect(words()).toContain("forget");
  });

  test("does not keep others that have been back since from being held when they vanish anew", async () => {
    registry.set(machine("m4"), machine("m5"), machine("m6"));
    await quiet();
    expect(words()).toContain("forget all but m3");
    registry.set(...["m4", "m5", "m6"].map(gone));
    await quiet();
    expect(words()).toContain("hold m4,m5,m6");
    await newLeader();
    await pass(10 * ttlMs);
    expect(words()).toEqual([]);
    expect(engine.status().losses?.held?.machines).toEqual(["m4", "m5", "m6"]);
  });
});

test("nothing is held with a share of 1", async () => {
  await sixMachines(1);
  registry.set(...["m2", "m3", "m4", "m5", "m6"].map(gone));
  await quiet();
  expect(words()).toHaveLength(10);
});

describe("among very many machines", () => {
  const ids = Array.from({ length: 2_000 }, (_, index) => `m${1_000 + index}`);

  beforeEach(async () => {
    start();
    registry.set(...ids.map((id) => machine(id)));
    await quiet();
  });

  test("some hundred are asked, and once for all that vanish at the same time", async () => {
    for (const id of ids.slice(0, 10)) {
      registry.set(gone(id));
      await quiet();
    }
    expect(registry.surveyed).toEqual([256]);
    expect(events.filter((event) => event === "machine_lost")).toHaveLength(10);
  });

  test("what a sample is overdue tells of all", async () => {
    for (const id of ids.slice(500)) registry.overdue.add(id);
    registry.set(gone("m1000"));
    await quiet();
    expect(events).toContain("losses_awaited");
    registry.overdue.clear();
    clock.advance(ttlMs / 8);
    await quiet();
    expect(events).toContain("machine_lost");
  });
});

describe("a machine that is lost again and again", () => {
  async function flap(machineId: string): Promise<void> {
    registry.set(gone(machineId));
    await quiet();
    registry.set(machine(machineId));
    await quiet();
  }

  test("gets new units only where no other machine can take them, until it is steady", async () => {
    await sixMachines();
    registry.set(gone("m4"), gone("m5"), gone("m6"));
    await quiet();
    await pass(ttlMs + 1);
    words();
    await flap("m3");
    registry.set(unit("g.service"));
    await quiet();
    expect(words()).toContain("assign g.service m3");
    await flap("m3");
    await flap("m3");
    words();
    expect(await metric("machines_unsteady")).toBe(1);
    expect(engine.status().losses?.unsteady).toEqual([{ machine: "m3", forMs: 60_000 }]);
    registry.set(unit("h.service"));
    await quiet();
    expect(words()).not.toContain("assign h.service m3");
    await pass(60_000);
    registry.set(unit("i.service"));
    await quiet();
    expect(words()).toEqual(["assign i.service m3"]);
    expect(await metric("machines_unsteady")).toBe(0);
  });
});
