import type { JournalStore } from "@fleet/agent";
import { FleetError } from "@fleet/runtime";
import { expect, test } from "vitest";
import { settledAgent } from "./agent-bench.ts";

const unit = "only.service";
const quick = "[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=1\n[X-Fleet]\nExclusive=true\n";
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

/** A journal on a full disk. */
function withoutWriting(journal: JournalStore): JournalStore {
  const fail = async (): Promise<never> => {
    throw new FleetError("journal_failed", "no room", { retryable: true });
  };
  return { load: () => journal.load(), put: fail, remove: fail };
}

test("what the timer has stopped starts again although fleetd is killed before it has noted that", async () => {
  const { bench, agent } = await settledAgent();
  await bench.assign(unit, quick, "launched");
  await bench.clock.advanceUntil(() => bench.row(unit) === "active running launched", 5_000);
  agent.kill();
  await bench.clock.advance(7_000);
  expect(bench.systemd.running()).toEqual([]);
  const second = bench.start({ journal: withoutWriting });
  await bench.clock.advance(1_000);
  second.kill();
  await bench.clock.advance(7_000);
  const third = bench.start();
  await bench.registered(third);
  await bench.settle(third.agent);
  await bench.clock.advance(5_000);
  expect(bench.systemd.running()).toEqual([unit]);
  expect(bench.starts(unit)).toBe(2);
  expect(third.agent.report().fenced).toEqual([]);
  await bench.close();
});
