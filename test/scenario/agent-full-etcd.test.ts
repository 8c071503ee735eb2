import { StoreError, type TxnRequest } from "@fleet/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
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

/** As etcd with its space alarm on: what stores anything is refused, what deletes is carried out. */
function withoutSpace({ success }: TxnRequest): Error | undefined {
  const stores = success.some(({ op }) => op === "put");
  return stores ? new StoreError("etcd_no_space", "mvcc: database space exceeded") : undefined;
}

test("an etcd without space costs no machine its registration, and stops are carried out", async () => {
  await bench.assign("a.service", sleeper, "launched");
  await bench.assign("b.service", sleeper, "launched");
  await bench.clock.advance(1_000);
  const { registration } = agent.agent.report();

  agent.held.refuse(withoutSpace);
  bench.systemd.crash("b.service");
  await bench.clock.advance(20_000);
  expect(agent.agent.report()).toMatchObject({ registration, settled: true });
  await bench.withdraw("a.service");
  await bench.clock.advance(1_000);
  expect(bench.history("a.service")).toContain("stopped");
  expect(bench.row("b.service")).toBe("active running launched");

  agent.held.refuse(() => undefined);
  await bench.clock.advance(3_000);
  expect(bench.row("a.service")).toBeUndefined();
  expect(bench.row("b.service")).toBe("failed failed launched");
});
