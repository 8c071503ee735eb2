import type { Change } from "@fleet/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EngineBench } from "./engine-bench.ts";
import type { FakeRegistry } from "./fake-registry.ts";
import { type ManualClock, quiet } from "./manual-clock.ts";

/** agent_ttl, the stop of a unit that says nothing about it, and the margin. */
const waitMs = 30_000 + 90_000 + 1_000;

let bench: EngineBench;
let registry: FakeRegistry;
let clock: ManualClock;

beforeEach(async () => {
  bench = await EngineBench.start();
  ({ registry, clock } = bench);
  registry.set(bench.machine("m1"), bench.machine("m2"));
  await quiet();
});

afterEach(() => bench.end());

async function change(...changes: readonly Change[]): Promise<void> {
  registry.set(...changes);
  await quiet();
}

/** Unit files that nothing refers to are collected: each comes with its unit. */
function submission(hash: string): readonly Change[] {
  const exclusive: Record<string, string> = hash.startsWith("exclusive") ? { Exclusive: "true" } : {};
  return [bench.body(hash, exclusive), bench.unit("a.service", hash)];
}

function gone(machineId: string): Change {
  return { kind: "machine", machineId, entry: { status: "absent", modRevision: registry.revision } };
}

/** What was committed about the unit since, but for the looks at the machines. */
function since(count: number): readonly string[] {
  return bench
    .words()
    .slice(count)
    .filter((line) => !line.startsWith("settle") && !line.startsWith("collect"));
}

async function pass(byMs: number): Promise<void> {
  clock.advance(byMs);
  await quiet();
}

test("that a unit is exclusive no more, and is again, does not end the wait for the machine that may still run it", async () => {
  await change(...submission("exclusive"));
  await change(gone("m1"));
  await change(...submission("ordinary"));
  expect(since(0)).toEqual(["assign-exclusive a.service m1", "withdraw a.service m1", "assign a.service m2"]);
  const begun = bench.words().length;
  await change(...submission("exclusive"));
  await pass(waitMs - 1_000);
  expect(since(begun)).toEqual([]);
  await pass(2_000);
  expect(since(begun)).toEqual(["release-exclusive a.service", "assign-exclusive a.service m2"]);
});

test("a machine that vanishes while it is being given a unit does not keep the unit waiting", async () => {
  const begun = bench.words().length;
  registry.set(...submission("exclusive"));
  registry.holdBack = true;
  registry.set(gone("m1"));
  await quiet();
  expect(since(begun)).toEqual(["assign-exclusive a.service m1"]);
  registry.holdBack = false;
  registry.deliver();
  await quiet();
  expect(since(begun)).toEqual(["assign-exclusive a.service m1", "assign-exclusive a.service m2"]);
});

test("a note that cannot be read keeps a unit as it is, and nothing is written again and again", async () => {
  await change(...submission("exclusive"));
  const begun = bench.words().length;
  await change({
    kind: "exclusive-hold",
    unit: "a.service",
    entry: { status: "corrupt", problem: "not JSON", modRevision: registry.revision + 1 },
  });
  await change(...submission("exclusive_as_well"));
  await pass(61_000);
  await pass(61_000);
  expect(since(begun)).toEqual([]);
  expect(bench.log.filter(({ event }) => event === "audit_found_work")).toEqual([]);
});

test("the note stays for as long as the machine, away, has the unit assigned and may start it when it is back", async () => {
  const others = ["m3", "m4", "m5"];
  await change(...others.map((id) => bench.machine(id)));
  await change(...submission("exclusive"));
  const begun = bench.words().length;
  // Too many at once: what they have stays theirs.
  await change(gone("m1"), ...others.map(gone));
  expect(since(begun)).toEqual(["hold m1,m3,m4,m5"]);
  await pass(2 * waitMs);
  await pass(2 * waitMs);
  expect(since(begun)).toEqual(["hold m1,m3,m4,m5"]);
  const machines = ["m1", ...others];
  await change({ kind: "confirmed-losses", entry: registry.entry({ machines }) });
  expect(since(begun + 1).filter((line) => line.includes("a.service"))).toEqual([
    "withdraw a.service m1",
    "release-exclusive a.service",
    "assign-exclusive a.service m2",
  ]);
});
