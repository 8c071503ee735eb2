import { afterEach, beforeEach, expect, test } from "vitest";
import { PrometheusMetrics } from "../../packages/fleetd/src/prometheus-metrics.ts";
import { parseExposition, sampleValue } from "../contract/metrics/exposition-format.ts";
import { AgentBench, type AgentProcess, sleeper, slowStop } from "./agent-bench.ts";

const slowStart = "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n";
const broken = "[Service]\nType=oneshot\nExecStart=/bin/false\n";

let bench: AgentBench;
let agent: AgentProcess;
let metrics: PrometheusMetrics;

beforeEach(async () => {
  bench = new AgentBench();
  metrics = new PrometheusMetrics();
  await bench.lead();
  agent = bench.start({ metrics });
  await bench.registered(agent);
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

async function read(name: string, labels?: Readonly<Record<string, string>>): Promise<number | undefined> {
  return sampleValue(parseExposition(await metrics.text()), `fleet_agent_${name}`, labels);
}

function units(state: string): Promise<number | undefined> {
  return read("units", { active_state: state });
}

test("an agent says whether it is registered and settled, and how often it was registered", async () => {
  expect([await read("registered"), await read("settled")]).toEqual([1, 0]);
  await bench.settle(agent.agent);
  await bench.clock.advance(100);
  expect([await read("registered"), await read("settled")]).toEqual([1, 1]);
  agent.store.cut();
  await bench.clock.advance(10_000);
  expect([await read("registered"), await read("settled")]).toEqual([0, 0]);
  agent.store.heal();
  await bench.registered(agent);
  expect([await read("registered"), await read("registrations_total")]).toEqual([1, 2]);
});

test("units are counted by active state, tasks by kind and result", async () => {
  await bench.settle(agent.agent);
  await bench.assign("a.service", sleeper, "launched");
  await bench.assign("b.service", sleeper, "loaded");
  await bench.assign("bad.service", broken, "launched");
  await bench.assign("slow.service", slowStart, "launched");
  await bench.clock.advance(500);
  const states = ["active", "inactive", "failed", "activating", "deactivating", "other"].map(units);
  expect(await Promise.all(states)).toEqual([1, 1, 1, 1, 0, 0]);
  expect(await read("tasks_total", { task: "load", result: "done" })).toBe(4);
  await bench.withdraw("a.service");
  await bench.clock.advance(500);
  expect(await units("active")).toBe(0);
  expect(await read("tasks_total", { task: "unload", result: "done" })).toBe(1);
});

test("a task under way is counted until it has ended", async () => {
  await bench.settle(agent.agent);
  await bench.assign("a.service", slowStop, "launched");
  await bench.clock.advance(500);
  await bench.withdraw("a.service");
  await bench.clock.advance(1_000);
  expect([await read("tasks_running"), await units("deactivating")]).toEqual([1, 1]);
  await bench.clock.advance(5_000);
  expect([await read("tasks_running"), await units("deactivating")]).toEqual([0, 0]);
});

test("tasks that fail are counted as often as they are tried", async () => {
  await bench.settle(agent.agent);
  bench.systemd.write("a.service", "[Service]\nExecStart=/bin/somebody-elses\n");
  await bench.assign("a.service", sleeper, "launched");
  await bench.clock.advance(10_000);
  expect(await read("tasks_total", { task: "load", result: "failed" })).toBeGreaterThan(1);
  expect(await read("tasks_total", { task: "load", result: "done" })).toBeUndefined();
});

test("the way from order to active is timed once, for units that were not running", async () => {
  await bench.settle(agent.agent);
  await bench.assign("slow.service", slowStart, "launched");
  await bench.assign("bad.service", broken, "launched");
  await bench.clock.advance(50_000);
  expect(await read("activation_duration_seconds_count")).toBe(0);
  await bench.clock.advance(20_000);
  expect(await read("activation_duration_seconds_count")).toBe(1);
  expect(await read("activation_duration_seconds_sum")).toBeGreaterThanOrEqual(60);
  expect(await read("activation_duration_seconds_sum")).toBeLessThan(70);
  // Its next process finds it running.
  agent.kill();
  agent = bench.start({ metrics });
  await bench.registered(agent);
  await bench.clock.advance(5_000);
  await bench.assign("slow.service", slowStart, "launched");
  await bench.clock.advance(5_000);
  expect([await units("active"), await read("activation_duration_seconds_count")]).toEqual([1, 1]);
  // Stopped and ordered again.
  await bench.assign("slow.service", slowStart, "loaded");
  await bench.clock.advance(5_000);
  await bench.assign("slow.service", slowStart, "launched");
  await bench.clock.advance(70_000);
  expect(await read("activation_duration_seconds_count")).toBe(2);
});

test("an order that was taken back while nobody heard of it is forgotten", async () => {
  await bench.settle(agent.agent);
  await bench.assign("slow.service", slowStart, "launched");
  await bench.clock.advance(5_000);
  agent.store.cut();
  await bench.withdraw("slow.service");
  await bench.clock.advance(10_000);
  agent.store.heal();
  await bench.registered(agent);
  await bench.settle(agent.agent);
  await bench.clock.advance(200_000);
  expect(bench.row("slow.service")).toBeUndefined();
  await bench.assign("slow.service", slowStart, "launched");
  await bench.clock.advance(70_000);
  expect(await read("activation_duration_seconds_count")).toBe(1);
  expect(await read("activation_duration_seconds_sum")).toBeLessThan(70);
});
