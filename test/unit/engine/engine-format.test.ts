import type { Change } from "@fleet/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EngineBench } from "./engine-bench.ts";
import type { FakeRegistry } from "./fake-registry.ts";
import { type ManualClock, quiet } from "./manual-clock.ts";

const agentTtlMs = 30_000;
const auditMs = 60_000;
const machines = ["m1", "m2", "m3", "m4", "m5"];

let bench: EngineBench;
let registry: FakeRegistry;
let clock: ManualClock;

beforeEach(async () => {
  bench = await EngineBench.start();
  ({ registry, clock } = bench);
});

afterEach(() => bench.end());

function gone(machineId: string): Change {
  return { kind: "machine", machineId, entry: { status: "absent", modRevision: registry.revision } };
}

async function pass(byMs: number): Promise<void> {
  clock.advance(byMs);
  await quiet();
}

test("is to rise at each audit", async () => {
  registry.set(...machines.map((id) => bench.machine(id)));
  await pass(auditMs);
  expect(registry.raises).toBe(1);
  await pass(auditMs);
  expect(registry.raises).toBe(2);
});

test("stays while the leader, up again itself, expects machines back", async () => {
  registry.loseTerm();
  await quiet();
  registry.raises = 0;
  registry.inTouchSinceMs = clock.monotonic();
  registry.becomeVacant();
  await quiet();
  await pass(agentTtlMs - 1);
  expect(registry.raises).toBe(0);
});

test("stays while machines that vanished are held", async () => {
  registry.set(...machines.map((id) => bench.machine(id)));
  await quiet();
  registry.set(...machines.slice(1).map(gone));
  await quiet();
  expect(bench.words()).toContain("hold m2,m3,m4,m5");
  registry.raises = 0;
  await pass(auditMs);
  expect(registry.raises).toBe(0);
  registry.set(...machines.map((id) => bench.machine(id)));
  await quiet();
  await pass(auditMs);
  expect(registry.raises).toBe(1);
});
