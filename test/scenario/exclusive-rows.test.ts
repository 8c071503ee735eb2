import { expect, test } from "vitest";
import { settledAgent } from "./agent-bench.ts";

const unit = "only.service";
/** Its stop takes far longer than the lease. */
const slow =
  "[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=40\nExecStop=/bin/sleep 30\n[X-Fleet]\nExclusive=true\n";

test("a unit that systemd's timer is still stopping keeps its row when it is to go elsewhere", async () => {
  const { bench, agent } = await settledAgent();
  await bench.assign(unit, slow, "launched");
  await bench.clock.advanceUntil(() => bench.row(unit) === "active running launched", 5_000);
  agent.kill();
  // The lease of 5 s is over, and what hung on it is gone.
  await bench.clock.advance(7_000);
  expect(bench.row(unit)).toBeUndefined();
  expect(bench.systemd.running()).toEqual([unit]);
  const next = bench.start();
  await bench.clock.advanceUntil(() => bench.row(unit) !== undefined, 5_000);
  await bench.withdraw(unit);
  await bench.settle(next.agent);
  const torn: number[] = [];
  bench.clock.onSettled = () => {
    if (bench.systemd.running().includes(unit) && bench.row(unit) === undefined)
      torn.push(bench.clock.monotonic());
  };
  await bench.clock.advanceUntil(() => bench.row(unit) === undefined, 60_000);
  await bench.clock.advance(5_000);
  bench.clock.onSettled = () => {};
  expect(torn).toEqual([]);
  expect(bench.history(unit).slice(-1)).toEqual(["forgotten"]);
  await bench.close();
});
