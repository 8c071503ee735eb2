import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PrometheusMetrics } from "../../../packages/fleetd/src/prometheus-metrics.ts";
import { type Families, parseExposition, sampleValue } from "../../contract/metrics/exposition-format.ts";
import { EngineBench } from "./engine-bench.ts";
import type { FakeRegistry } from "./fake-registry.ts";
import { type ManualClock, quiet } from "./manual-clock.ts";

let metrics: PrometheusMetrics;
let bench: EngineBench;
let registry: FakeRegistry;
let clock: ManualClock;

beforeEach(async () => {
  metrics = new PrometheusMetrics();
  bench = await EngineBench.start({ metrics, atMs: 90_000 });
  ({ registry, clock } = bench);
});

afterEach(() => bench.end());

async function scrape(): Promise<Families> {
  return parseExposition(await metrics.text());
}

async function read(name: string, labels?: Readonly<Record<string, string>>): Promise<number | undefined> {
  return sampleValue(await scrape(), name, labels);
}

function steps(step: string, reason: string): Promise<number | undefined> {
  return read("fleet_engine_steps_total", { step, reason });
}

describe("a leader", () => {
  test("says that it leads, its term and since when", async () => {
    expect(await read("fleet_engine_leader")).toBe(1);
    expect(await read("fleet_engine_term")).toBe(1);
    expect(await read("fleet_engine_leader_start_time_seconds")).toBe(90);
    expect(await read("fleet_engine_terms_total")).toBe(1);
  });

  test("counts what it has carried out, by reason, and the plans it took", async () => {
    registry.set(bench.machine("m1"), bench.machine("m2"));
    registry.set(bench.body("h"), bench.unit("a.service", "h"), bench.unit("b.service", "h"));
    await quiet();
    expect(await steps("assign", "least_loaded")).toBe(2);
    expect(await steps("settle", "registered")).toBe(2);
    registry.set({ kind: "unit", name: "a.service", entry: { status: "absent", modRevision: 90 } });
    await quiet();
    expect(await steps("withdraw", "destroyed")).toBe(1);
    expect(await read("fleet_engine_plan_duration_seconds_count")).toBeGreaterThan(1);
    expect(await read("fleet_engine_commits_total", { result: "committed" })).toBeGreaterThan(1);
  });

  test("counts the machines present by state", async () => {
    const corrupt = { status: "corrupt", problem: "no JSON", modRevision: 11 } as const;
    registry.set(bench.machine("m1"), bench.machine("m2"), bench.machine("m3", {}, true));
    registry.set({ kind: "machine", machineId: "m4", entry: corrupt });
    await quiet();
    const states = ["open", "leaving", "unreadable"].map((state) => read("fleet_engine_machines", { state }));
    expect(await Promise.all(states)).toEqual([2, 1, 1]);
  });

  test("counts units that wait, by cause and without names", async () => {
    registry.set(bench.unit("plain.service", "p"), bench.body("p"));
    registry.set(bench.unit("ssd.service", "d"), bench.body("d", { MachineMetadata: "disk=ssd" }));
    await quiet();
    const pending = (cause: string) => read("fleet_engine_units_pending", { cause });
    expect(await pending("no_machine")).toBe(2);
    expect(await read("fleet_engine_units_unplaced")).toBe(2);
    registry.set(bench.machine("m1"));
    await quiet();
    expect([await pending("no_machine"), await pending("MachineMetadata")]).toEqual([undefined, 1]);
    expect(await read("fleet_engine_units_unplaced")).toBe(1);
    registry.set({ kind: "unit", name: "ssd.service", entry: { status: "absent", modRevision: 90 } });
    await quiet();
    expect(await pending("MachineMetadata")).toBeUndefined();
  });

  test("counts units that their former machine still holds under one cause, whichever machine that is", async () => {
    for (const name of ["m1", "m2"]) {
      registry.set(bench.machine(name), bench.unit(`on-${name}.service`, "h"), bench.body("h"));
      const record = { hash: "h", load: "loaded", active: "active", sub: "running", launched: true };
      registry.set({
        kind: "state",
        machineId: name,
        unit: `on-${name}.service`,
        entry: registry.entry(record),
      });
    }
    await quiet();
    registry.set(bench.machine("m1", {}, true), bench.machine("m2", {}, true));
    await quiet();
    const families = await scrape();
    const causes = families.get("fleet_engine_units_pending")?.samples.map(({ labels }) => labels.cause);
    expect(causes).toEqual(["still_on"]);
    expect(sampleValue(families, "fleet_engine_units_pending")).toBe(2);
  });

  test("that loses its term has nothing more to say of the cluster", async () => {
    registry.loseTerm();
    await quiet();
    expect(await read("fleet_engine_leader")).toBe(0);
    for (const name of ["term", "leader_start_time_seconds", "units_unplaced", "machines"]) {
      expect([name, await read(`fleet_engine_${name}`)]).toEqual([name, undefined]);
    }
    registry.becomeVacant();
    await quiet();
    expect(await read("fleet_engine_leader")).toBe(1);
    expect(await read("fleet_engine_terms_total")).toBe(2);
  });

  test("counts commits that were refused, and those of unknown outcome", async () => {
    registry.failures.push("fenced");
    registry.set(bench.machine("m1"));
    await quiet();
    expect(await read("fleet_engine_commits_total", { result: "fenced" })).toBe(1);
    registry.becomeVacant();
    registry.failures.push("unavailable");
    await quiet();
    clock.advance(10_000);
    await quiet();
    expect(await read("fleet_engine_commits_total", { result: "failed" })).toBe(1);
    expect(await steps("settle", "registered")).toBeUndefined();
  });
});
