import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AgentBench, type AgentProcess, settledAgent, sleeper } from "./agent-bench.ts";

let bench: AgentBench;
let agent: AgentProcess;

beforeEach(async () => {
  ({ bench, agent } = await settledAgent());
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

// A row nobody removes would hold its unit on this machine for ever.
describe("a row that was written although its answer got lost", () => {
  test("goes when the unit was withdrawn before the agent could ask again", async () => {
    agent.store.loseReplies(1);
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advanceUntil(() => bench.row("a.service") !== undefined, 1_000, 1);
    await bench.withdraw("a.service");
    await bench.clock.advance(10);
    agent.store.loseReplies(0);
    await bench.clock.advance(60_000);
    expect(bench.systemd.files()).toEqual([]);
    expect(bench.row("a.service")).toBeUndefined();
  });

  test("is written over when the unit is as before by the time the agent can write again", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBe("active running launched");
    agent.store.loseReplies(1);
    await bench.assign("a.service", sleeper, "loaded");
    await bench.clock.advanceUntil(() => bench.row("a.service") !== "active running launched", 1_000, 1);
    // By then it waits before it tries again.
    await bench.clock.advance(500);
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advanceUntil(() => bench.starts("a.service") === 2, 1_000, 1);
    agent.store.loseReplies(0);
    await bench.clock.advance(10_000);
    expect(bench.row("a.service")).toBe("active running launched");
  });
});
