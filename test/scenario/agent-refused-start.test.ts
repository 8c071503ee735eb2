import { afterEach, beforeEach, expect, test } from "vitest";
import { type AgentBench, type AgentProcess, machineId, settledAgent, sleeper } from "./agent-bench.ts";

const unit = "a.service";

let bench: AgentBench;
let agent: AgentProcess;

beforeEach(async () => {
  ({ bench, agent } = await settledAgent());
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

/** What the unit's row says keeps it from being started. */
function problem(): unknown {
  const [row] = bench.etcd.range({ from: `/fleet/states/${machineId}/${unit}` }).rows;
  return JSON.parse(row?.value ?? "{}").problem;
}

async function assign(target: "loaded" | "launched"): Promise<void> {
  await bench.assign(unit, sleeper, target);
  await bench.clock.advance(300);
}

test("a start that systemd refuses is told, outlives fleetd, and is forgotten with the next intent", async () => {
  bench.systemd.behave(unit, { load: "bad-setting" });
  await assign("launched");
  expect(problem()).toMatch(/a\.service/);

  agent.kill();
  await bench.clock.advance(1_000);
  agent = bench.start();
  await bench.registered(agent);
  await bench.clock.advance(300);
  expect(problem()).toMatch(/a\.service/);

  await assign("loaded");
  expect(problem()).toBeUndefined();
  bench.systemd.behave(unit, { load: "loaded" });
  await assign("launched");
  expect(problem()).toBeUndefined();
});

test("a start that systemd refused is asked for again with the next request for it", async () => {
  bench.systemd.behave(unit, { load: "bad-setting" });
  await assign("launched");
  bench.systemd.behave(unit, { load: "loaded" });
  await bench.retry(unit);
  await bench.clock.advance(300);
  expect(problem()).toBeUndefined();
  expect(bench.systemd.status(unit).active).toBe("active");
});
