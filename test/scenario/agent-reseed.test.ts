import { MemoryStore } from "@fleet/registry";
import { expect, test } from "vitest";
import { type AgentBench, type AgentProcess, machineId, settledAgent, sleeper } from "./agent-bench.ts";

const other = "[Service]\nExecStart=/bin/sleep 1\n";

async function wipe({ etcd }: AgentBench): Promise<void> {
  await new MemoryStore(etcd).txn({
    compares: [],
    success: [{ op: "delete", from: "/fleet/", to: "/fleet0" }],
  });
}

const keys = ({ etcd }: AgentBench): readonly string[] =>
  etcd.range({ from: "/fleet/", to: "/fleet0" }).rows.map(({ key }) => key.slice("/fleet/".length));

async function untilTold(bench: AgentBench): Promise<void> {
  await bench.clock.advanceUntil(() => keys(bench).includes(`contributions/${machineId}`), 30_000);
}

async function running(bench: AgentBench, name: string): Promise<void> {
  await bench.clock.advanceUntil(() => bench.row(name) === "active running launched", 10_000);
}

/** Ends the seeding, and takes over as the engine that has looked at this machine. */
async function finish(bench: AgentBench, process: AgentProcess): Promise<void> {
  expect(await bench.reseeding.finish()).toBe(true);
  await bench.lead();
  await bench.registered(process);
  await bench.settle(process.agent);
  await bench.clock.advance(5_000);
}

test("a machine tells what it runs, and runs it on untouched when the registry is back", async () => {
  const { bench, agent } = await settledAgent();
  await bench.assign("a.service", sleeper, "launched");
  await bench.assign("b.service", other, "loaded");
  await running(bench, "a.service");
  const { journal } = agent.agent.report();
  const history = [...bench.systemd.history];

  await wipe(bench);
  await bench.clock.advance(20_000);
  expect(keys(bench)).toEqual([]);
  expect(await bench.reseeding.begin(undefined, new AbortController().signal)).toMatchObject({ epoch: 2 });
  await untilTold(bench);
  expect(keys(bench).filter((key) => /^(assignments|units)/.test(key))).toEqual([
    `assignments/${machineId}/a.service`,
    `assignments/${machineId}/b.service`,
    "units/a.service",
    "units/b.service",
  ]);
  expect(await bench.reseeding.progress()).toMatchObject({
    contributions: [{ machineId, units: 2, left: [] }],
    awaited: [],
  });
  await finish(bench, agent);
  expect(bench.systemd.history).toEqual(history);
  expect(agent.agent.report().journal).toEqual(journal);
  expect(bench.row("a.service")).toBe("active running launched");
  await bench.close();
});

test("what the registry could not take is named before it is unloaded, and runs until then", async () => {
  const { bench, agent } = await settledAgent();
  for (const name of ["a.service", "changed.service", "gone.service"]) {
    await bench.assign(name, sleeper, "launched");
    await running(bench, name);
  }
  await agent.directory.write("changed.service", other);
  await agent.directory.remove("gone.service");
  await wipe(bench);
  await bench.clock.advance(10_000);
  await bench.reseeding.begin(undefined, new AbortController().signal);
  await untilTold(bench);
  expect((await bench.reseeding.progress()).contributions).toEqual([
    expect.objectContaining({
      units: 1,
      left: [
        { unit: "changed.service", reason: "file_changed" },
        { unit: "gone.service", reason: "file_missing" },
      ],
    }),
  ]);
  await bench.clock.advance(60_000);
  expect(bench.history("changed.service")).not.toContain("stopped");
  expect(agent.agent.report().journal).toHaveLength(3);
  await finish(bench, agent);
  expect(agent.agent.report().journal.map(({ unit }) => unit)).toEqual(["a.service"]);
  await bench.close();
});

test("an agent that dies before it has told tells as its successor, after the end of the seeding as well", async () => {
  const { bench, agent } = await settledAgent();
  await bench.assign("a.service", sleeper, "launched");
  await running(bench, "a.service");
  agent.kill();
  await wipe(bench);
  await bench.clock.advance(10_000);
  await bench.reseeding.begin(undefined, new AbortController().signal);
  await bench.reseeding.finish();
  await bench.lead();
  const successor = bench.start();
  await untilTold(bench);
  await bench.registered(successor);
  await bench.settle(successor.agent);
  await bench.clock.advance(5_000);
  expect(keys(bench)).toContain("units/a.service");
  expect(bench.starts("a.service")).toBe(1);
  expect(successor.agent.report().journal).toHaveLength(1);
  await bench.close();
});

test("a restart of before hides none of after: its number was a revision of a store that is gone", async () => {
  const { bench, agent } = await settledAgent();
  await bench.assign("a.service", sleeper, "launched");
  await running(bench, "a.service");
  await bench.restart("a.service", 1_000_000);
  await bench.clock.advanceUntil(
    () => agent.agent.report().journal[0]?.restart?.number === 1_000_000,
    20_000,
  );
  await bench.restart("a.service", undefined);
  await wipe(bench);
  await bench.clock.advance(10_000);
  await bench.reseeding.begin(undefined, new AbortController().signal);
  await untilTold(bench);
  expect(agent.agent.report().journal[0]?.restart).toBeUndefined();
  await bench.close();
});
