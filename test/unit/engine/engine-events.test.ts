import type { Change, EventRecord, EventsWrite } from "@fleet/registry";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EngineBench } from "./engine-bench.ts";
import type { FakeRegistry } from "./fake-registry.ts";
import { type ManualClock, quiet } from "./manual-clock.ts";

/** Between two records. */
const spacingMs = 100;

let bench: EngineBench;
let registry: FakeRegistry;
let clock: ManualClock;

beforeEach(async () => {
  bench = await EngineBench.start();
  ({ registry, clock } = bench);
});

afterEach(() => bench.end());

/** What was recorded since the last call, in words. */
async function told(): Promise<string[]> {
  await quiet();
  clock.advance(spacingMs);
  await quiet();
  return registry.events.splice(0).flatMap(({ record }) => record.events.map(word));
}

function word(event: EventRecord): string {
  const { kind, unit, fromMachineId, machineId, reason, peer, causes, count, vanished, of } = event;
  const about = causes?.map(
    ({ cause, machines }) => `${cause}${machines === undefined ? "" : `:${machines}`}`,
  );
  const words = [kind, unit, fromMachineId, machineId, reason, peer, about, count, vanished, of];
  return words.filter((each) => each !== undefined).join(" ");
}

function gone(machineId: string): Change {
  return { kind: "machine", machineId, entry: { status: "absent", modRevision: registry.revision } };
}

function unitGone(name: string): Change {
  return { kind: "unit", name, entry: { status: "absent", modRevision: registry.revision } };
}

function row(machineId: string, unit: string): Change {
  const value = { hash: "h1", load: "loaded", active: "active", sub: "running", launched: true };
  return { kind: "state", machineId, unit, entry: registry.entry(value) };
}

function rowGone(machineId: string, unit: string): Change {
  return { kind: "state", machineId, unit, entry: { status: "absent", modRevision: registry.revision } };
}

function ids(writes: readonly EventsWrite[]): number[] {
  return writes.map(({ sequence }) => sequence);
}

describe("events", () => {
  test("begin with who leads; machines that are there already are no news, those that come are", async () => {
    expect(await told()).toEqual(["leader-elected m0"]);
    registry.set(bench.machine("m1"));
    expect(await told()).toEqual(["machine-joined m1"]);
    registry.loseTerm();
    await quiet();
    registry.becomeVacant();
    expect(await told()).toEqual(["leader-elected m0"]);
  });

  test("an idle cluster makes none", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await told();
    for (let minute = 0; minute < 5; minute += 1) {
      clock.advance(60_000);
      expect(await told()).toEqual([]);
    }
  });

  test("tell of placements, changes and ends, each with its reason", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    expect(await told()).toEqual([
      "leader-elected m0",
      "machine-joined m1",
      "assigned a.service m1 least_loaded",
    ]);
    registry.set(bench.body("h2"), bench.unit("a.service", "h2"));
    expect(await told()).toEqual(["updated a.service m1 content"]);
    registry.set(unitGone("a.service"));
    expect(await told()).toEqual(["withdrawn a.service m1 destroyed"]);
  });

  test("of a unit whose machine is lost tell one move", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await quiet();
    registry.set(bench.machine("m2"));
    await told();
    registry.set(gone("m1"));
    expect(await told()).toEqual(["machine-lost m1 silent", "moved a.service m1 m2 machine_gone"]);
    registry.set(bench.machine("m1"));
    expect(await told()).toEqual(["machine-joined m1"]);
  });

  test("of a machine that leaves tell that, one move per unit once it has stopped, and that it has left", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await quiet();
    registry.set(bench.machine("m2"), row("m1", "a.service"));
    await told();
    registry.set(bench.machine("m1", {}, true));
    expect(await told()).toEqual(["machine-leaving m1"]);
    registry.set(rowGone("m1", "a.service"));
    expect(await told()).toEqual(["moved a.service m1 m2 machine_leaving"]);
    registry.set(gone("m1"));
    expect(await told()).toEqual(["machine-left m1"]);
  });

  test("a unit that takes long to stop is told to be withdrawn meanwhile", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await quiet();
    registry.set(bench.machine("m2"), row("m1", "a.service"));
    await quiet();
    registry.set(bench.machine("m1", {}, true));
    await told();
    clock.advance(6_000);
    registry.set(bench.machine("m3"));
    expect(await told()).toEqual(["machine-joined m3", "withdrawn a.service m1 machine_leaving"]);
    registry.set(rowGone("m1", "a.service"));
    expect(await told()).toEqual(["moved a.service m1 m2 machine_leaving"]);
  });

  test("a unit that is destroyed on its way is told to be withdrawn", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await quiet();
    registry.set(bench.machine("m2"), row("m1", "a.service"));
    await quiet();
    registry.set(bench.machine("m1", {}, true));
    await told();
    registry.set(unitGone("a.service"));
    expect(await told()).toEqual(["withdrawn a.service m1 machine_leaving"]);
    registry.set(rowGone("m1", "a.service"));
    expect(await told()).toEqual([]);
  });

  test("tell that a unit waits, and for what, once per change of reason", async () => {
    registry.set(bench.body("h1", { MachineMetadata: "region=eu" }), bench.unit("a.service"));
    expect(await told()).toEqual(["leader-elected m0", "waiting a.service no_machine"]);
    registry.set(bench.machine("m1"));
    expect(await told()).toEqual(["machine-joined m1", "waiting a.service MachineMetadata:1"]);
    registry.set(bench.machine("m2"));
    expect(await told()).toEqual(["machine-joined m2"]);
    registry.set(bench.machine("m3", { region: "eu" }));
    expect(await told()).toEqual(["machine-joined m3", "assigned a.service m3 least_loaded"]);
  });

  test("a unit that loses its machine and finds no other is told to be withdrawn, then to wait", async () => {
    registry.set(bench.machine("m1"), bench.body("h1"), bench.unit("a.service"));
    await told();
    registry.set(gone("m1"));
    expect(await told()).toEqual([
      "machine-lost m1 silent",
      "withdrawn a.service m1 machine_gone",
      "waiting a.service no_machine",
    ]);
    registry.set(bench.machine("m2"));
    expect(await told()).toEqual(["machine-joined m2", "moved a.service m1 m2 machine_gone"]);
  });

  test("tell of losses that are held, and of their end", async () => {
    const machines = ["m1", "m2", "m3", "m4", "m5"];
    registry.set(...machines.map((id) => bench.machine(id)));
    await told();
    registry.set(...machines.slice(1).map(gone));
    expect(await told()).toEqual(["losses-held 4 5"]);
    registry.set(...machines.slice(1).map((id) => bench.machine(id)));
    expect(await told()).toEqual(["losses-released"]);
  });

  test("a record has room for a hundred; what machines do does not go under in what units do", async () => {
    registry.set(bench.machine("m1"));
    await told();
    const units = Array.from({ length: 300 }, (_, index) => bench.unit(`u${index}.service`));
    registry.set(bench.body("h1"), ...units);
    registry.set(bench.machine("m2"));
    await quiet();
    clock.advance(spacingMs);
    await quiet();
    const records = registry.events.map(({ record }) => record.events);
    expect(Math.max(...records.map((events) => events.length))).toBeLessThanOrEqual(100);
    const omitted = records.flat().flatMap(({ count }) => count ?? []);
    const assigned = records.flat().filter(({ kind }) => kind === "assigned").length;
    expect(assigned + omitted.reduce((sum, count) => sum + count, 0)).toBe(300);
    expect(assigned).toBeLessThan(300);
    expect(records.flat().map(({ kind }) => kind)).toContain("machine-joined");
  });

  test("a record of unknown outcome is written again as it was, and nothing is planned later for it", async () => {
    await told();
    registry.eventFailures.push("lost_reply", "unavailable");
    registry.set(bench.machine("m1"));
    await quiet();
    registry.set(bench.body("h1"), bench.unit("a.service"));
    await quiet();
    expect(bench.words()).toEqual(["settle m1", "assign a.service m1"]);
    for (let tries = 0; tries < 3; tries += 1) {
      clock.advance(5_000);
      await quiet();
    }
    expect(ids(registry.events)).toEqual([2, 2, 3]);
    expect(registry.events.map(({ record }) => record.events.map(word))).toEqual([
      ["machine-joined m1"],
      ["machine-joined m1"],
      ["assigned a.service m1 least_loaded"],
    ]);
    expect(registry.terms).toBe(1);
  });

  test("the newest 256 records are kept, those of earlier terms counted", async () => {
    const former = Array.from({ length: 300 }, (_, index): Change => {
      const id = `0000-${String(index).padStart(4, "0")}`;
      return { kind: "events", id, entry: registry.entry({ atMs: 0, events: [] }) };
    });
    registry.loseTerm();
    registry.set(...former);
    await quiet();
    registry.events.length = 0;
    registry.becomeVacant();
    await quiet();
    // 300 and the one of the first term are there; with the new one 255 of them stay.
    expect(registry.events.map(({ keepFrom }) => keepFrom)).toEqual(["0000-0046"]);
  });

  test("once another engine leads, nothing is recorded any more", async () => {
    await told();
    registry.eventFailures.push("fenced");
    registry.set(bench.machine("m1"));
    await quiet();
    clock.advance(10_000);
    await quiet();
    expect(registry.events).toEqual([]);
  });
});
